/**
 * Whatever numbers a guest passes, a call answers with an errno of WASI or ends the Process: it never
 * throws anything else, and never hands out a view of memory that is not the guest's.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { layOutDescriptors } from '../../../src/guest/kernel/abi/layout.ts';
import { wasi } from '../../../src/guest/kernel/abi/wasi/wasi.ts';
import { makeFileSystem } from '../../../src/guest/kernel/fs/file-system.ts';
import { lowerTree } from '../../../src/guest/kernel/fs/lower-tree.ts';
import { systemClock } from '../../../src/guest/kernel/local-run.ts';
import { GuestMemory } from '../../../src/guest/kernel/memory.ts';
import { GasMeter } from '../../../src/guest/kernel/meter.ts';
import { Process } from '../../../src/guest/kernel/process.ts';
import { ProcessEnded } from '../../../src/guest/kernel/process-end.ts';
import type { Resource } from '../../../src/guest/kernel/resource.ts';
import { localSchemes } from '../../../src/guest/kernel/resources/all.ts';
import { SchemeRegistry } from '../../../src/guest/kernel/scheme-registry.ts';
import type { Syscall, SyscallResult } from '../../../src/guest/kernel/syscall.ts';
import { defaultLimits } from '../../../src/protocol/limits.ts';

const pageBytes = 65_536;
const lastErrno = 76;
const lower = lowerTree([{ path: 'a.txt', bytes: Buffer.from('file a') }]);

const stream: Resource = {
  scheme: 'test',
  read: (into) => into.fill(120).length,
  write: (bytes) => bytes.length,
  flush: () => 0,
  close: () => 0,
};

function makeProcess(): Process {
  const guest = new Process({
    identity: { handler: 'test', deployment: 0, commit: '', invocation: 'test' },
    args: ['prog', 'arg'],
    env: new Map([['A', 'b']]),
    stdin: stream,
    stdout: stream,
    stderr: stream,
    limits: defaultLimits,
    policy: null,
    schemes: new SchemeRegistry(localSchemes),
    meter: new GasMeter(1e9),
    log: { line: () => undefined },
    clock: systemClock,
    random: (into) => void into.fill(7),
    files: () => makeFileSystem({ lower, nowNs: () => 1n, limits: { bytes: 1 << 20, names: 50 } }),
    kv: null,
    queues: null,
  });
  guest.memory = new GuestMemory(new WebAssembly.Memory({ initial: 1, maximum: 1 }));
  // Paths and structures to point at, so that not every call ends at its first argument.
  guest.memory.put(0x100, Buffer.from('tmp/file\0tmp/dir\0tmp\0a.txt\0../x\0net/zero/\0'));
  guest.memory.put(0x200, new Uint8Array(new Uint32Array([0x400, 16, 0x500, 0xffff_ffff]).buffer));
  layOutDescriptors(guest, { abis: ['wasi'] });
  return guest;
}

async function call(guest: Process, row: Syscall, args: readonly (number | bigint)[]): Promise<unknown> {
  const run = row.run as unknown as (process: Process, ...args: readonly (number | bigint)[]) => SyscallResult;
  return run(guest, ...args);
}

const rows = wasi.syscalls.filter(({ name }) => name !== 'proc_exit');
const number = fc.oneof(
  fc.constantFrom(0, 1, 2, 3, 4, 5, 8, 16, 0x100, 0x109, 0x111, 0x115, 0x200, 0x208, 0xfffc, 0xffff, 0x10000, -1, -8),
  fc.integer(),
);
const wide = fc.oneof(
  fc.constantFrom(0n, 1n, 2n, (1n << 30n) - 1n, -1n, 1n << 40n),
  fc.bigInt(-(1n << 63n), (1n << 63n) - 1n),
);
const anyCall = fc
  .constantFrom(...rows)
  .chain((row) =>
    fc.tuple(fc.constant(row), fc.tuple(...row.params.map(({ type }) => (type === 'i64' ? wide : number)))),
  );

test('any sequence of calls with any arguments', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyCall, { minLength: 1, maxLength: 40 }), async (calls) => {
      const guest = makeProcess();
      for (const [row, args] of calls) {
        try {
          const result = await Promise.race([call(guest, row, args), patience(guest)]);
          expect(result, `${row.name}(${args.join(', ')})`).toBeTypeOf('number');
          expect(result).toBeGreaterThanOrEqual(0);
          expect(result).toBeLessThanOrEqual(lastErrno);
        } catch (error) {
          // proc_raise, or a wait that was cut short.
          if (!(error instanceof ProcessEnded)) throw error;
        }
        if (guest.end !== null) break;
      }
      const { quota } = guest.files;
      expect(quota.bytes).toBeLessThanOrEqual(quota.limits.bytes);
      expect(quota.names).toBeLessThanOrEqual(quota.limits.names);
      await guest.closeAll();
      expect(guest.memory.all.length).toBe(pageBytes);
    }),
    { numRuns: 1500, endOnFailure: true },
  );
});

test.each(rows.map((row) => [row.name, row] as const))('%s: every pointer at the end of memory', async (_name, row) => {
  for (const wild of [-1, 0x10000, 0xffff, 0xfffd]) {
    for (let first = 0; first < 5; first += 1) {
      const guest = makeProcess();
      const args = row.params.map(({ type }, index) => {
        if (type === 'i64') return 0n;
        return index === 0 ? first : wild;
      });
      const result = await Promise.race([
        call(guest, row, args).catch((error: unknown) => error instanceof ProcessEnded || error),
        patience(guest),
      ]);
      if (result !== true) expect(result, `${row.name}(${args.join(', ')})`).toBeLessThanOrEqual(lastErrno);
    }
  }
});

test('a call whose result has no place in memory reads and writes nothing', async () => {
  const row = (name: string): Syscall => rows.find((one) => one.name === name)!;
  const all = (1n << 29n) - 1n;
  /** Opens `tmp/file` for everything. Returns the Process and the descriptor. */
  const opened = async () => {
    const guest = makeProcess();
    expect(await call(guest, row('path_open'), [3, 0, 0x100, 8, 1, all, all, 0, 0x600])).toBe(0);
    const fd = guest.memory.u32(0x600);
    expect(await call(guest, row('fd_pwrite'), [fd, 0x200, 1, 0n, 0x600])).toBe(0);
    guest.memory.put(0x400, Buffer.from('unread, unwritten'));
    // Links to the file of the repository.
    expect(await call(guest, row('path_symlink'), [0x115, 5, 3, 0x109, 7])).toBe(0);
    return { guest, fd };
  };
  const outside = 0xfffe;
  for (const [name, args] of [
    ['fd_pwrite', (fd: number) => [fd, 0x200, 1, 8n, outside]],
    ['fd_write', (fd: number) => [fd, 0x200, 1, outside]],
    ['fd_pread', (fd: number) => [fd, 0x200, 1, 0n, outside]],
    ['fd_read', (fd: number) => [fd, 0x200, 1, outside]],
    ['path_readlink', () => [3, 0x109, 7, 0x400, 64, outside]],
  ] as const) {
    const { guest, fd } = await opened();
    const before = guest.memory.all.slice();
    await call(guest, row(name), args(fd)).catch((error: unknown) => error);
    expect(Buffer.compare(guest.memory.all, before), name).toBe(0);
    expect(await call(guest, row('fd_tell'), [fd, 0x600])).toBe(0);
    expect(guest.memory.u64(0x600), name).toBe(0n);
    expect(await call(guest, row('fd_filestat_get'), [fd, 0x700])).toBe(0);
    expect(guest.memory.u64(0x700 + 32), name).toBe(16n);
    await guest.closeAll();
  }
});

/** A poll may wait for hours: then the Process is ended as a deadline would, and the call must give in. */
async function patience(guest: Process): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, 200).unref());
  guest.kill({ kind: 'deadline', timeoutMs: 200 });
  return 0;
}
