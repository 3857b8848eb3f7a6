/** wasi:cli, wasi:clocks and wasi:random of WASI 0.3, row by row. */
import { describe, expect, it } from 'vitest';
import { enumeration, result } from '../../../src/guest/component/wit.ts';
import { ComponentGuest } from '../../support/component-guest.ts';
import { bytesSource } from '../../support/run-guest.ts';

const outcome = result(null, enumeration('io', 'illegal-byte-sequence', 'pipe'));

describe('wasi:clocks', () => {
  it('tells the time of the Process', async () => {
    const guest = new ComponentGuest({
      clock: { wallMs: () => 1_700_000_000_123.5, monotonicNs: () => 5_000_000_000n },
    });
    expect(await guest.call('wasi:clocks/system-clock@0.3', 'now')).toEqual({
      seconds: 1_700_000_000n,
      nanoseconds: 123_500_000,
    });
    expect(await guest.call('wasi:clocks/system-clock@0.3', 'get-resolution')).toBe(1_000_000n);
    expect(await guest.call('wasi:clocks/monotonic-clock@0.3', 'now')).toBe(5_000_000_000n);
    expect(await guest.call('wasi:clocks/monotonic-clock@0.3', 'get-resolution')).toBe(1n);
  });

  it('waits', async () => {
    const guest = new ComponentGuest();
    const clock = guest.of('wasi:clocks/monotonic-clock@0.3');
    const before: bigint = await clock('now');
    await clock('wait-for', 3_000_000n);
    await clock('wait-until', before + 6_000_000n);
    await clock('wait-until', before);
    expect((await clock('now')) - before).toBeGreaterThanOrEqual(6_000_000n);
  });

  it('is in UTC', async () => {
    const timezone = new ComponentGuest().of('wasi:clocks/timezone@0.3');
    expect(await timezone('iana-id')).toBe('UTC');
    expect(await timezone('utc-offset', { seconds: 0n, nanoseconds: 0 })).toBe(0n);
    expect(await timezone('to-debug-string')).toBe('UTC');
  });
});

it('wasi:random draws from the random source of the Process, at most 4 MiB', async () => {
  const guest = new ComponentGuest({ random: (into) => void into.fill(7) });
  const sevens = 0x0707070707070707n;
  expect(await guest.call('wasi:random/random@0.3', 'get-random-bytes', 3n)).toEqual(new Uint8Array([7, 7, 7]));
  expect(await guest.call('wasi:random/random@0.3', 'get-random-u64')).toBe(sevens);
  expect(await guest.call('wasi:random/insecure@0.3', 'get-insecure-random-bytes', 0n)).toEqual(new Uint8Array(0));
  expect(await guest.call('wasi:random/insecure@0.3', 'get-insecure-random-u64')).toBe(sevens);
  expect(await guest.call('wasi:random/insecure-seed@0.3', 'get-insecure-seed')).toEqual([sevens, sevens]);
});

describe('wasi:cli', () => {
  it('shows variables and arguments', async () => {
    const guest = new ComponentGuest({ env: { A: '1' }, args: ['guest', 'word'] });
    const environment = guest.of('wasi:cli/environment@0.3');
    expect(await environment('get-environment')).toEqual([['A', '1']]);
    expect(await environment('get-arguments')).toEqual(['guest', 'word']);
    expect(await environment('get-initial-cwd')).toBeNull();
  });

  it('reads standard input, and writes standard output and error', async () => {
    const guest = new ComponentGuest({ stdin: 'some words' });
    const [input, read] = await guest.call('wasi:cli/stdin@0.3', 'read-via-stream');
    expect(await guest.textOf(input)).toBe('some words');
    expect(await guest.valueOf(read, outcome)).toStrictEqual({ ok: undefined });
    const text = 'x'.repeat(100_000);
    const out = await guest.call('wasi:cli/stdout@0.3', 'write-via-stream', await guest.streamOf(text));
    const err = await guest.call('wasi:cli/stderr@0.3', 'write-via-stream', await guest.streamOf('problem'));
    expect(await guest.valueOf(out, outcome)).toStrictEqual({ ok: undefined });
    expect(await guest.valueOf(err, outcome)).toStrictEqual({ ok: undefined });
    expect([guest.stdout, guest.stderr]).toEqual([text, 'problem']);
  });

  it('tells of an output that is closed', async () => {
    const guest = new ComponentGuest({ stdout: { ...bytesSource(''), write: () => -104 } });
    const out = await guest.call('wasi:cli/stdout@0.3', 'write-via-stream', await guest.streamOf('x'));
    expect(await guest.valueOf(out, outcome)).toMatchObject({ err: expect.stringMatching(/^(io|pipe)$/) });
  });

  it('has terminals', async () => {
    const guest = new ComponentGuest({ stdin: { ...bytesSource(''), device: 'terminal' } });
    const terminal = await guest.call('wasi:cli/terminal-stdin@0.3', 'get-terminal-stdin');
    expect(terminal).toBeGreaterThan(0);
    await guest.call('wasi:cli/terminal-input@0.3', '[resource-drop]terminal-input', terminal);
    expect(await guest.call('wasi:cli/terminal-stdout@0.3', 'get-terminal-stdout')).toBeNull();
    expect(await guest.call('wasi:cli/terminal-stderr@0.3', 'get-terminal-stderr')).toBeNull();
    await expect(
      guest.call('wasi:cli/terminal-output@0.3', '[resource-drop]terminal-output', terminal),
    ).rejects.toThrow('there is no resource handle');
  });

  it.each([
    ['exit', { ok: undefined }, 0],
    ['exit', { err: undefined }, 1],
    ['exit-with-code', 7, 7],
  ])('%s ends the Process after its output', async (name, argument, status) => {
    const guest = new ComponentGuest();
    await guest.call('wasi:cli/stdout@0.3', 'write-via-stream', await guest.streamOf('last words'));
    await new Promise((resolve) => setImmediate(resolve));
    await expect(guest.call('wasi:cli/exit@0.3', name, argument)).rejects.toThrow();
    expect(guest.process.end).toEqual({ kind: 'exit', status });
    expect(guest.stdout).toBe('last words');
  });

  it('takes the result of a program once', async () => {
    const guest = new ComponentGuest();
    await expect(guest.call('trisiel:cli/run', 'status')).rejects.toThrow('without task.return');
    await guest.call('trisiel:cli/run', 'return', { err: undefined });
    expect(await guest.call('trisiel:cli/run', 'status')).toBe(1);
    await expect(guest.call('trisiel:cli/run', 'return', { ok: undefined })).rejects.toThrow('returns twice');
  });
});
