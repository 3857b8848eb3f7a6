import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { encodeFrame, FrameReader } from '../../../src/control/git/frames.ts';
import { HookEndpoint, hookLimits, type OpenPush, pushFileName } from '../../../src/control/git/hook-endpoint.ts';
import { parseAbout, parseTree } from '../../../src/control/git/hook-objects.ts';
import { PlatformError } from '../../../src/protocol/errors.ts';
import type { PushedObjects, PushSession } from '../../../src/protocol/push.ts';

let endpoint: HookEndpoint;
let repository: string;
let open: OpenPush;
let facts: { readonly socket: string; readonly push: string; readonly secret: string };
let calls: string[];
const unwanted = new AbortController();

const session: PushSession = {
  async preReceive(_objects, print) {
    calls.push('pre');
    print('words\n');
    return true;
  },
  async refsMoved() {},
  async ended() {},
};

beforeEach(async () => {
  calls = [];
  endpoint = await HookEndpoint.open();
  repository = await mkdtemp(join(tmpdir(), 'hook-'));
  open = await endpoint.register({ repository, session, signal: unwanted.signal });
  facts = JSON.parse(await readFile(join(repository, pushFileName), 'utf8'));
});
afterEach(async () => {
  await open.close();
  await endpoint.close();
  await rm(repository, { recursive: true });
});

/** Sends `bytes`; everything that came back until the connection was closed. */
async function talk(bytes: Buffer): Promise<string> {
  const socket = connect(facts.socket);
  let answer = '';
  socket.setEncoding('latin1').on('data', (text: string) => {
    answer += text;
  });
  socket.on('error', () => {});
  socket.write(bytes);
  await once(socket, 'close');
  return answer;
}

function hello(change: object = {}): Buffer {
  return encodeFrame({ kind: 'hello', push: facts.push, secret: facts.secret, ...change });
}

describe('the endpoint of the hook', () => {
  it('is for its own user alone', async () => {
    expect((await stat(dirname(facts.socket))).mode & 0o077).toBe(0);
    expect((await stat(join(repository, pushFileName))).mode & 0o077).toBe(0);
    expect(facts.socket.length).toBeLessThanOrEqual(103);
  });

  it('uses its folder again after a crash, and another one where the path is too long', async () => {
    const run = join(repository, 'run');
    const first = await HookEndpoint.open(run);
    const second = await HookEndpoint.open(run); // as if the first had been killed
    const again = await second.register({ repository, session, signal: unwanted.signal });
    facts = JSON.parse(await readFile(join(repository, pushFileName), 'utf8'));
    expect(facts.socket).toBe(join(run, 's'));
    expect(await talk(hello())).toContain('"end"');
    await again.close();
    await second.close();
    await first.close();
    const long = await HookEndpoint.open(join(repository, 'x'.repeat(100)));
    const other = await long.register({ repository, session, signal: unwanted.signal });
    facts = JSON.parse(await readFile(join(repository, pushFileName), 'utf8'));
    expect(facts.socket.length).toBeLessThanOrEqual(103);
    await other.close();
    await long.close();
  });

  it('takes the hook of a push once', async () => {
    const answer = await talk(hello());
    expect(answer).toContain('"words\\n"');
    expect(answer).toContain('{"kind":"end","ok":true}');
    expect(await talk(hello())).toBe('');
    expect(calls).toEqual(['pre']);
  });

  it('says nothing to who does not know the secret', async () => {
    expect(await talk(hello({ secret: 'x'.repeat(facts.secret.length) }))).toBe('');
    expect(await talk(hello({ secret: '' }))).toBe('');
    expect(await talk(hello({ push: 'other' }))).toBe('');
    expect(await talk(encodeFrame({}))).toBe('');
    expect(await talk(Buffer.from('GET / HTTP/1.1\r\n\r\n'))).toBe('');
    expect(await talk(Buffer.from([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]))).toBe('');
    expect(calls).toEqual([]);
  });

  it('forgets the secret when the push is over', async () => {
    await open.close();
    expect(await talk(hello())).toBe('');
    await expect(stat(join(repository, pushFileName))).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

/** Registers a push whose pre-receive does `work`; returns a connection that has greeted. */
async function greeted(work: (objects: PushedObjects, print: (text: string) => void) => Promise<void>) {
  const other = await mkdtemp(join(tmpdir(), 'hook-'));
  const push = await endpoint.register({
    repository: other,
    session: {
      ...session,
      async preReceive(objects, print) {
        await work(objects, print);
        return true;
      },
    },
    signal: unwanted.signal,
  });
  const { push: id, secret } = JSON.parse(await readFile(join(other, pushFileName), 'utf8'));
  const socket = connect(facts.socket).on('error', () => {});
  socket.write(hello({ push: id, secret }));
  return {
    socket,
    async [Symbol.asyncDispose]() {
      socket.destroy();
      await push.close();
      await rm(other, { recursive: true });
    },
  };
}

describe('the connection of a hook', () => {
  it('is cut when it does not greet in time', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const socket = connect(facts.socket).on('error', () => {});
      let isClosed = false;
      socket.once('close', () => {
        isClosed = true;
      });
      await once(socket, 'connect');
      while (!isClosed) {
        vi.advanceTimersByTime(hookLimits.helloMs);
        await new Promise((resolve) => setImmediate(resolve));
      }
    } finally {
      vi.useRealTimers();
    }
  });

  it('is one of a bounded number', async () => {
    const sockets: Socket[] = [];
    for (let n = 0; n < hookLimits.connections; n += 1) {
      const socket = connect(facts.socket).on('error', () => {});
      sockets.push(socket);
      await once(socket, 'connect');
    }
    try {
      const more = connect(facts.socket).on('error', () => {});
      await once(more, 'close');
      expect(sockets.filter(({ closed }) => closed)).toEqual([]);
    } finally {
      for (const socket of sockets) socket.destroy();
    }
  });

  it('that does not read gets no more than a bounded part of what is printed', async () => {
    const lines = 64;
    const printed = Promise.withResolvers<void>();
    await using hook = await greeted(async (_objects, print) => {
      for (let n = 0; n < lines; n += 1) print('x'.repeat(hookLimits.outputBytes / 4));
      printed.resolve();
    });
    hook.socket.pause();
    await printed.promise;
    let bytes = 0;
    hook.socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    await once(hook.socket.resume(), 'close');
    // What the system's own buffers take comes on top.
    expect(bytes).toBeLessThan((lines / 4 / 2) * hookLimits.outputBytes);
    expect(bytes).toBeGreaterThan(hookLimits.outputBytes / 2);
  });

  it('that sends a larger object than it was asked for is not believed', async () => {
    const reads = Promise.withResolvers<unknown>();
    await using hook = await greeted(async (objects) => {
      reads.resolve(await objects.read('a'.repeat(40), 10).catch((error: unknown) => error));
    });
    const reader = new FrameReader({ headBytes: 1_000, bytes: 1_000 });
    hook.socket.on('data', (chunk: Buffer) => {
      reader.push(chunk);
      const { kind } = (reader.next()?.head ?? {}) as { readonly kind?: string };
      if (kind === 'read') hook.socket.write(encodeFrame({ kind: 'object' }, Buffer.alloc(11)));
    });
    expect(await reads.promise).toMatchObject({ code: 'limit_exceeded' });
  });
});

describe('frames', () => {
  it('are refused by the lengths that they tell, before their bytes arrive', () => {
    const lengths = (head: number, bytes: number) => {
      const told = Buffer.alloc(8);
      told.writeUInt32BE(head, 0);
      told.writeUInt32BE(bytes, 4);
      const reader = new FrameReader({ headBytes: 100, bytes: 50 });
      reader.push(told);
      return () => reader.next();
    };
    expect(lengths(100, 50)()).toBeUndefined();
    expect(lengths(101, 0)).toThrow(PlatformError);
    expect(lengths(2, 51)).toThrow(PlatformError);
  });

  it('are read back however they are cut', () => {
    const frame = fc.record({ head: fc.jsonValue(), bytes: fc.uint8Array({ maxLength: 50 }) });
    fc.assert(
      fc.property(fc.array(frame), fc.array(fc.nat(2_000)), (frames, cuts) => {
        const stream = Buffer.concat(frames.map(({ head, bytes }) => encodeFrame(head, bytes)));
        const reader = new FrameReader({ headBytes: 10_000, bytes: 100 });
        const places = [0, ...cuts.map((cut) => cut % (stream.length + 1)).sort((a, b) => a - b), stream.length];
        const found: { head: unknown; bytes: Uint8Array }[] = [];
        places.slice(1).forEach((end, index) => {
          reader.push(stream.subarray(places[index], end));
          for (let next = reader.next(); next !== undefined; next = reader.next())
            found.push({ head: next.head, bytes: Uint8Array.from(next.bytes) });
        });
        const json = (value: unknown) => JSON.parse(JSON.stringify(value));
        expect(found).toEqual(frames.map(({ head, bytes }) => ({ head: json(head), bytes })));
      }),
    );
  });

  it('throw only our own error on arbitrary bytes', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array()), (chunks) => {
        const reader = new FrameReader({ headBytes: 100, bytes: 100 });
        try {
          for (const chunk of chunks) {
            reader.push(Buffer.from(chunk));
            while (reader.next() !== undefined);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(PlatformError);
        }
      }),
    );
  });
});

describe('listings of trees', () => {
  it('keep every kind of name', () => {
    const oid = 'a'.repeat(40);
    const names = ['a b', 'tab\there', 'line\nbreak', 'ü', '"quoted"'];
    const text = names.map((name) => `100644 blob ${oid}      12\t${name}\0`).join('');
    expect(parseTree(Buffer.from(`${text}160000 commit ${oid}       -\tmodule\0`))).toEqual([
      ...names.map((path) => ({ mode: '100644', oid, size: 12, path, isUtf8: true })),
      { mode: '160000', oid, size: 0, path: 'module', isUtf8: true },
    ]);
    const latin1 = Buffer.from(`100644 blob ${oid}      12\tcaf\xe9\0`, 'latin1');
    expect(parseTree(latin1)).toEqual([{ mode: '100644', oid, size: 12, path: 'caf\\xe9', isUtf8: false }]);
    expect(parseTree(Buffer.alloc(0))).toEqual([]);
    for (const text of ['nonsense\0', `100644 blob ${oid} 1\tno end`])
      expect(() => parseTree(Buffer.from(text))).toThrow(PlatformError);
  });

  it('are read from what git says of a commit, cut anywhere and in any encoding', () => {
    const all = Buffer.from('Ada\0Größe\0\n');
    expect(parseAbout(all)).toEqual({ author: 'Ada', subject: 'Größe' });
    expect(parseAbout(all.subarray(0, 7))).toEqual({ author: 'Ada', subject: 'Gr\ufffd' });
    expect(parseAbout(all.subarray(0, 3))).toEqual({ author: 'Ada', subject: null });
    expect(parseAbout(Buffer.from('\0\0\n'))).toEqual({ author: null, subject: null });
    expect(parseAbout(Buffer.alloc(0))).toEqual({ author: null, subject: null });
    expect(parseAbout(Buffer.from('A\0\xff\xfe\0', 'latin1'))).toEqual({ author: 'A', subject: '\ufffd\ufffd' });
  });
});
