/** wasi:io, row by row. Specification: WebAssembly/wasi-io, wit/streams.wit and poll.wit. */
import { describe, expect, it } from 'vitest';
import { handlesMax } from '../../../src/guest/kernel/canonical/handles.ts';
import { Errno } from '../../../src/guest/kernel/errno.ts';
import { Wakeup } from '../../../src/guest/kernel/net/wakeup.ts';
import type { Resource } from '../../../src/guest/kernel/resource.ts';
import { ComponentGuest } from '../../support/component-guest.ts';

const streams = 'wasi:io/streams';
const poll = 'wasi:io/poll';
const closed = { err: { tag: 'closed' } };

/** A Resource that the test feeds and drains by hand. */
class Pipe implements Resource {
  readonly scheme = 'pipe';
  readonly changed = new Wakeup();
  readonly written: string[] = [];
  incoming: (string | number)[] = [];
  /** Bytes that a write may take. */
  room = Number.POSITIVE_INFINITY;
  writeErrno = 0;
  flushes = 0;
  flushing: Promise<number> | number = 0;

  read(into: Uint8Array): number | Promise<void> {
    const [next] = this.incoming;
    if (next === undefined) return this.changed.wait();
    if (typeof next === 'number') return next;
    const part = Buffer.from(next).subarray(0, into.length);
    into.set(part);
    this.incoming.shift();
    if (part.length < next.length) this.incoming.unshift(next.slice(part.length));
    return part.length;
  }

  write(bytes: Uint8Array): number | Promise<void> {
    if (this.writeErrno !== 0) return this.writeErrno;
    if (this.room === 0) return this.changed.wait();
    const part = bytes.subarray(0, this.room);
    this.room -= part.length;
    this.written.push(Buffer.from(part).toString());
    return part.length;
  }

  flush(): number | Promise<number> {
    this.flushes += 1;
    return this.flushing;
  }

  close(): number {
    return 0;
  }

  readable(): Promise<void> | null {
    return this.incoming.length > 0 ? null : this.changed.wait();
  }

  writable(): Promise<void> | null {
    return this.room > 0 || this.writeErrno !== 0 ? null : this.changed.wait();
  }

  give(...parts: (string | number)[]): void {
    this.incoming.push(...parts);
    this.changed.wake();
  }

  takeMore(bytes: number): void {
    this.room = bytes;
    this.changed.wake();
  }
}

async function withInput() {
  const pipe = new Pipe();
  const guest = new ComponentGuest({ stdin: pipe });
  return { pipe, guest, stream: (await guest.call('wasi:cli/stdin', 'get-stdin')) as number };
}

async function withOutput() {
  const pipe = new Pipe();
  const guest = new ComponentGuest({ stdout: pipe });
  return { pipe, guest, stream: (await guest.call('wasi:cli/stdout', 'get-stdout')) as number };
}

function text(result: { readonly ok: Uint8Array }): { readonly ok: string } {
  return { ok: Buffer.from(result.ok).toString() };
}

describe('an input-stream', () => {
  it('gives what is there, and nothing where nothing is', async () => {
    const { pipe, guest, stream } = await withInput();
    expect(text(await guest.call(streams, '[method]input-stream.read', stream, 10n))).toEqual({ ok: '' });
    pipe.give('hello world');
    expect(text(await guest.call(streams, '[method]input-stream.read', stream, 5n))).toEqual({ ok: 'hello' });
    expect(text(await guest.call(streams, '[method]input-stream.read', stream, 0n))).toEqual({ ok: '' });
    expect(text(await guest.call(streams, '[method]input-stream.read', stream, 2n ** 64n - 1n))).toEqual({
      ok: ' world',
    });
    expect(guest.process.io.get('pipe')).toEqual({ bytesIn: 11, bytesOut: 0 });
  });

  it('waits for the first byte where it may', async () => {
    const { pipe, guest, stream } = await withInput();
    const reading = guest.call(streams, '[method]input-stream.blocking-read', stream, 10n);
    pipe.give('late');
    expect(text(await reading)).toEqual({ ok: 'late' });
    const skipping = guest.call(streams, '[method]input-stream.blocking-skip', stream, 3n);
    pipe.give('later');
    expect(await skipping).toEqual({ ok: 3n });
    expect(await guest.call(streams, '[method]input-stream.skip', stream, 10n)).toEqual({ ok: 2n });
    expect(await guest.call(streams, '[method]input-stream.skip', stream, 10n)).toEqual({ ok: 0n });
  });

  it('is closed at its end, for good', async () => {
    const { pipe, guest, stream } = await withInput();
    pipe.give('x', Errno.end);
    expect(text(await guest.call(streams, '[method]input-stream.blocking-read', stream, 9n))).toEqual({ ok: 'x' });
    expect(await guest.call(streams, '[method]input-stream.blocking-read', stream, 9n)).toEqual(closed);
    pipe.incoming = ['y'];
    for (const name of ['read', 'skip', 'blocking-read', 'blocking-skip'])
      expect(await guest.call(streams, `[method]input-stream.${name}`, stream, 9n)).toEqual(closed);
  });

  it('says what failed, once, and is closed then', async () => {
    const { pipe, guest, stream } = await withInput();
    pipe.give(Errno.timedOut);
    const { err } = await guest.call(streams, '[method]input-stream.read', stream, 9n);
    expect(err.tag).toBe('last-operation-failed');
    expect(await guest.call('wasi:io/error', '[method]error.to-debug-string', err.value)).toBe('failed: timed out');
    await guest.call('wasi:io/error', '[resource-drop]error', err.value);
    expect(await guest.call(streams, '[method]input-stream.read', stream, 9n)).toEqual(closed);
  });

  it('must be dropped behind its pollables', async () => {
    const { guest, stream } = await withInput();
    const pollable = await guest.call(streams, '[method]input-stream.subscribe', stream);
    await expect(guest.call(streams, '[resource-drop]input-stream', stream)).rejects.toThrow(
      'the input-stream is given up while 1 of its children are in use',
    );
    await guest.call(poll, '[resource-drop]pollable', pollable);
    const again = await guest.call('wasi:cli/stdin', 'get-stdin');
    await guest.call(streams, '[resource-drop]input-stream', again);
    await expect(guest.call(streams, '[method]input-stream.read', again, 1n)).rejects.toThrow('no resource handle');
  });
});

describe('an output-stream', () => {
  it('takes what check-write allows, and nothing without it', async () => {
    const { pipe, guest, stream } = await withOutput();
    await expect(guest.call(streams, '[method]output-stream.write', stream, 'x')).rejects.toThrow(
      'a write of 1 bytes where check-write allowed 0',
    );
    expect(await guest.call(streams, '[method]output-stream.check-write', stream)).toEqual({ ok: 65_536n });
    expect(await guest.call(streams, '[method]output-stream.write', stream, 'hello')).toStrictEqual({ ok: undefined });
    expect(await guest.call(streams, '[method]output-stream.write-zeroes', stream, 2n)).toStrictEqual({
      ok: undefined,
    });
    expect(pipe.written).toEqual(['hello', '\0\0']);
    await expect(guest.call(streams, '[method]output-stream.write-zeroes', stream, 65_530n)).rejects.toThrow(
      'check-write allowed 65529',
    );
    await expect(guest.call(streams, '[method]output-stream.write-zeroes', stream, 2n ** 63n)).rejects.toThrow();
    expect(guest.process.io.get('pipe')).toEqual({ bytesIn: 0, bytesOut: 7 });
  });

  it('keeps what the Resource does not take at once, and has no room until then', async () => {
    const { pipe, guest, stream } = await withOutput();
    pipe.room = 3;
    await guest.call(streams, '[method]output-stream.check-write', stream);
    expect(await guest.call(streams, '[method]output-stream.write', stream, 'hello')).toStrictEqual({ ok: undefined });
    expect(pipe.written).toEqual(['hel']);
    expect(await guest.call(streams, '[method]output-stream.check-write', stream)).toEqual({ ok: 0n });
    const pollable = await guest.call(streams, '[method]output-stream.subscribe', stream);
    expect(await guest.call(poll, '[method]pollable.ready', pollable)).toBe(false);
    const blocking = guest.call(poll, '[method]pollable.block', pollable);
    pipe.takeMore(100);
    await blocking;
    expect(pipe.written).toEqual(['hel', 'lo']);
    expect(await guest.call(streams, '[method]output-stream.check-write', stream)).toEqual({ ok: 65_536n });
  });

  it('keeps the order of two streams to one place', async () => {
    const { pipe, guest, stream } = await withOutput();
    const other = await guest.call('wasi:cli/stdout', 'get-stdout');
    for (const one of [stream, other]) await guest.call(streams, '[method]output-stream.check-write', one);
    pipe.room = 1;
    await guest.call(streams, '[method]output-stream.write', stream, 'abc');
    await guest.call(streams, '[method]output-stream.write', other, 'def');
    const flushing = guest.call(streams, '[method]output-stream.blocking-flush', other);
    pipe.takeMore(100);
    expect(await flushing).toStrictEqual({ ok: undefined });
    expect(pipe.written.join('')).toBe('abcdef');
  });

  it('waits until its bytes are written and flushed, at most 4,096 at once', async () => {
    const { pipe, guest, stream } = await withOutput();
    pipe.room = 2;
    const writing = guest.call(streams, '[method]output-stream.blocking-write-and-flush', stream, 'hello');
    expect(pipe.flushes).toBe(0);
    pipe.takeMore(100);
    expect(await writing).toStrictEqual({ ok: undefined });
    expect([pipe.written.join(''), pipe.flushes]).toEqual(['hello', 1]);
    await guest.call(streams, '[method]output-stream.blocking-write-zeroes-and-flush', stream, 3n);
    expect([pipe.written.join(''), pipe.flushes]).toEqual(['hello\0\0\0', 2]);
    await expect(
      guest.call(streams, '[method]output-stream.blocking-write-and-flush', stream, 'x'.repeat(4097)),
    ).rejects.toThrow('at most 4096 are possible');
    await expect(
      guest.call(streams, '[method]output-stream.blocking-write-zeroes-and-flush', stream, 4097n),
    ).rejects.toThrow('at most 4096 are possible');
  });

  it('has no room while it flushes', async () => {
    const { pipe, guest, stream } = await withOutput();
    const flushed = Promise.withResolvers<number>();
    pipe.flushing = flushed.promise;
    expect(await guest.call(streams, '[method]output-stream.flush', stream)).toStrictEqual({ ok: undefined });
    expect(await guest.call(streams, '[method]output-stream.check-write', stream)).toEqual({ ok: 0n });
    flushed.resolve(Errno.noSpace);
    const { err } = await guest.call(streams, '[method]output-stream.blocking-flush', stream);
    expect(await guest.call('wasi:io/error', '[method]error.to-debug-string', err.value)).toBe('failed: no space');
    expect(await guest.call(streams, '[method]output-stream.check-write', stream)).toEqual(closed);
  });

  it('is closed where the Resource is, and says what failed otherwise', async () => {
    const { pipe, guest, stream } = await withOutput();
    pipe.writeErrno = Errno.tooBig;
    await guest.call(streams, '[method]output-stream.check-write', stream);
    const { err } = await guest.call(streams, '[method]output-stream.write', stream, 'x');
    expect(err.tag).toBe('last-operation-failed');
    const other = await withOutput();
    other.pipe.writeErrno = Errno.closed;
    await other.guest.call(streams, '[method]output-stream.check-write', other.stream);
    expect(await other.guest.call(streams, '[method]output-stream.write', other.stream, 'x')).toEqual(closed);
    for (const name of ['check-write', 'flush', 'blocking-flush'])
      expect(await other.guest.call(streams, `[method]output-stream.${name}`, other.stream)).toEqual(closed);
  });

  it('takes the bytes of an input-stream', async () => {
    const from = new Pipe();
    const to = new Pipe();
    const guest = new ComponentGuest({ stdin: from, stdout: to });
    const source = await guest.call('wasi:cli/stdin', 'get-stdin');
    const target = await guest.call('wasi:cli/stdout', 'get-stdout');
    expect(await guest.call(streams, '[method]output-stream.splice', target, source, 9n)).toEqual({ ok: 0n });
    from.give('abcdef');
    expect(await guest.call(streams, '[method]output-stream.splice', target, source, 4n)).toEqual({ ok: 4n });
    to.room = 0;
    expect(await guest.call(streams, '[method]output-stream.splice', target, source, 4n)).toEqual({ ok: 0n });
    const splicing = guest.call(streams, '[method]output-stream.blocking-splice', target, source, 4n);
    to.takeMore(100);
    expect(await splicing).toEqual({ ok: 2n });
    const waiting = guest.call(streams, '[method]output-stream.blocking-splice', target, source, 4n);
    from.give(Errno.end);
    expect(await waiting).toEqual(closed);
    expect(to.written.join('')).toBe('abcdef');
    await guest.call(streams, '[resource-drop]output-stream', target);
  });

  it('holds at most so much that was not taken', async () => {
    const { pipe, guest, stream } = await withOutput();
    const others = await Promise.all(Array.from({ length: 300 }, () => guest.call('wasi:cli/stdout', 'get-stdout')));
    for (const one of others) await guest.call(streams, '[method]output-stream.check-write', one);
    pipe.room = 0;
    const fill = async () => {
      for (const one of others) await guest.call(streams, '[method]output-stream.write', one, new Uint8Array(65_536));
    };
    await expect(fill()).rejects.toThrow('hold too many unsent bytes');
    expect(await guest.call(streams, '[method]output-stream.check-write', stream)).toEqual({ ok: 0n });
  });
});

describe('poll', () => {
  it('returns what is ready, in order, after waiting for the first', async () => {
    const pipe = new Pipe();
    const guest = new ComponentGuest({ stdin: pipe });
    const stream = await guest.call('wasi:cli/stdin', 'get-stdin');
    const reading = await guest.call(streams, '[method]input-stream.subscribe', stream);
    const never = await guest.call('wasi:clocks/monotonic-clock', 'subscribe-duration', 2n ** 64n - 1n);
    const now = await guest.call('wasi:clocks/monotonic-clock', 'subscribe-instant', 0n);
    expect(await guest.call(poll, 'poll', [reading, now, never, now])).toEqual([1, 3]);
    const waiting = guest.call(poll, 'poll', [never, reading]);
    pipe.give('x');
    expect(await waiting).toEqual([1]);
    expect(await guest.call(poll, '[method]pollable.ready', reading)).toBe(true);
    const soon = await guest.call('wasi:clocks/monotonic-clock', 'subscribe-duration', 1_000_000n);
    expect(await guest.call(poll, 'poll', [never, soon])).toEqual([1]);
    await guest.call(poll, '[method]pollable.block', soon);
  });

  it('traps for an empty list, and for one longer than there can be handles', async () => {
    const guest = new ComponentGuest();
    await expect(guest.call(poll, 'poll', [])).rejects.toThrow('poll of an empty list');
    const now = await guest.call('wasi:clocks/monotonic-clock', 'subscribe-instant', 0n);
    await expect(guest.call(poll, 'poll', new Array(handlesMax + 1).fill(now))).rejects.toThrow('at most 4096');
  });
});

it('the Process ends with nothing of its streams left behind', async () => {
  const { guest, stream } = await withInput();
  await guest.call(streams, '[method]input-stream.subscribe', stream);
  guest.process.kill({ kind: 'exit', status: 0 });
  await guest.process.closeAll();
  expect(guest.process.component.handles.size).toBe(0);
});
