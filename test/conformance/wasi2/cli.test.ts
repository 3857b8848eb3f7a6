/** wasi:cli, wasi:clocks and wasi:random, row by row. */
import { describe, expect, it } from 'vitest';
import type { ProcessOptions } from '../../../src/guest/kernel/process.ts';
import { ComponentGuest } from '../../support/component-guest.ts';
import { bytesSource, sink } from '../../support/run-guest.ts';

describe('wasi:clocks', () => {
  const clock = { wallMs: () => 1_700_000_000_123.5, monotonicNs: () => 5_000_000_000n };
  const guest = new ComponentGuest({ clock });

  it('tells the time of the Process', async () => {
    expect(await guest.call('wasi:clocks/wall-clock', 'now')).toEqual({
      seconds: 1_700_000_000n,
      nanoseconds: 123_500_000,
    });
    expect(await guest.call('wasi:clocks/wall-clock', 'resolution')).toEqual({ seconds: 0n, nanoseconds: 1_000_000 });
    expect(await guest.call('wasi:clocks/monotonic-clock', 'now')).toBe(5_000_000_000n);
    expect(await guest.call('wasi:clocks/monotonic-clock', 'resolution')).toBe(1n);
  });

  it('has timers', async () => {
    const past = await guest.call('wasi:clocks/monotonic-clock', 'subscribe-instant', 4_999_999_999n);
    const future = await guest.call('wasi:clocks/monotonic-clock', 'subscribe-duration', 1n);
    expect(await guest.call('wasi:io/poll', '[method]pollable.ready', past)).toBe(true);
    expect(await guest.call('wasi:io/poll', '[method]pollable.ready', future)).toBe(false);
  });

  it('is in UTC', async () => {
    const when = { seconds: 0n, nanoseconds: 0 };
    expect(await guest.call('wasi:clocks/timezone', 'display', when)).toEqual({
      utcOffset: 0,
      name: 'UTC',
      inDaylightSavingTime: false,
    });
    expect(await guest.call('wasi:clocks/timezone', 'utc-offset', when)).toBe(0);
  });
});

describe('wasi:random', () => {
  const guest = new ComponentGuest({ random: (into) => void into.fill(7) });

  it('draws from the random source of the Process', async () => {
    expect(await guest.call('wasi:random/random', 'get-random-bytes', 3n)).toEqual(new Uint8Array([7, 7, 7]));
    expect(await guest.call('wasi:random/random', 'get-random-u64')).toBe(0x0707070707070707n);
    expect(await guest.call('wasi:random/insecure', 'get-insecure-random-bytes', 0n)).toEqual(new Uint8Array(0));
    expect(await guest.call('wasi:random/insecure', 'get-insecure-random-u64')).toBe(0x0707070707070707n);
    expect(await guest.call('wasi:random/insecure-seed', 'insecure-seed')).toEqual([
      0x0707070707070707n,
      0x0707070707070707n,
    ]);
  });

  it('traps for more bytes than a call may take', async () => {
    for (const length of [4_194_305n, 2n ** 64n - 1n])
      await expect(guest.call('wasi:random/random', 'get-random-bytes', length)).rejects.toThrow('at most 4194304');
  });
});

describe('wasi:cli', () => {
  it('shows variables and arguments', async () => {
    const guest = new ComponentGuest({
      env: { GREETING: 'hällo', EMPTY: '' },
      args: ['program', new Uint8Array([0x61, 0xff])],
    });
    expect(await guest.call('wasi:cli/environment', 'get-environment')).toEqual([
      ['GREETING', 'hällo'],
      ['EMPTY', ''],
    ]);
    expect(await guest.call('wasi:cli/environment', 'get-arguments')).toEqual(['program', 'a\ufffd']);
    expect(await guest.call('wasi:cli/environment', 'initial-cwd')).toBe(null);
  });

  it('has the standard streams of the Process', async () => {
    const guest = new ComponentGuest({ stdin: 'in' });
    const write = '[method]output-stream.blocking-write-and-flush';
    const stdin = await guest.call('wasi:cli/stdin', 'get-stdin');
    await guest.call('wasi:io/streams', write, await guest.call('wasi:cli/stdout', 'get-stdout'), 'out');
    await guest.call('wasi:io/streams', write, await guest.call('wasi:cli/stderr', 'get-stderr'), 'err');
    const { ok } = await guest.call('wasi:io/streams', '[method]input-stream.read', stdin, 9n);
    expect([Buffer.from(ok).toString(), guest.stdout, guest.stderr]).toEqual(['in', 'out', 'err']);
  });

  it('knows which of them is a terminal', async () => {
    const terminals = [
      ['get-terminal-stdin', 'wasi:cli/terminal-stdin', 'terminal-input'],
      ['get-terminal-stdout', 'wasi:cli/terminal-stdout', 'terminal-output'],
      ['get-terminal-stderr', 'wasi:cli/terminal-stderr', 'terminal-output'],
    ] as const;
    const plain = new ComponentGuest();
    const device = { device: 'terminal' as const };
    const guest = new ComponentGuest({
      stdin: { ...bytesSource(''), ...device },
      stdout: { ...sink('stdout', []), ...device },
      stderr: { ...sink('stderr', []), ...device },
    });
    for (const [name, interfaceName] of terminals) {
      expect(await plain.call(interfaceName, name)).toBe(null);
      expect(await guest.call(interfaceName, name)).toBeGreaterThan(0);
    }
    await guest.call('wasi:cli/terminal-input', '[resource-drop]terminal-input', 1);
    await guest.call('wasi:cli/terminal-output', '[resource-drop]terminal-output', 2);
    expect(guest.process.component.handles.size).toBe(1);
  });

  const exits = [
    ['exit', { ok: undefined }, 0],
    ['exit', { err: undefined }, 1],
    ['exit-with-code', 42, 42],
  ] as const;
  it.each(exits)('%s ends the Process: %j', async (name, status, code) => {
    const guest = new ComponentGuest();
    await expect(guest.call('wasi:cli/exit', name, status)).rejects.toThrow('exit');
    expect(guest.process.end).toEqual({ kind: 'exit', status: code });
  });

  it('writes what streams took before it exits', async () => {
    let take: (() => void) | null = null;
    const chunks: Uint8Array[] = [];
    const slow: ProcessOptions['stdout'] = {
      ...sink('stdout', chunks),
      write: (bytes) => {
        if (take === null) return new Promise((resolve) => (take = resolve));
        chunks.push(bytes.slice());
        return bytes.length;
      },
    };
    const guest = new ComponentGuest({ stdout: slow });
    const stdout = await guest.call('wasi:cli/stdout', 'get-stdout');
    await guest.call('wasi:io/streams', '[method]output-stream.check-write', stdout);
    await guest.call('wasi:io/streams', '[method]output-stream.write', stdout, 'last words');
    const exiting = guest.call('wasi:cli/exit', 'exit', { ok: undefined });
    expect(guest.process.end).toBe(null);
    (take as unknown as () => void)();
    await expect(exiting).rejects.toThrow('exit');
    expect(Buffer.concat(chunks).toString()).toBe('last words');
  });
});
