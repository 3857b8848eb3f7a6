/**
 * The programs in fixtures/guests/wasi, each on both kinds of directory: scratch in memory, as on the
 * platform, and a folder of the host, as with `wasmcloud run --dir`.
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type Mount, makeFileSystem } from '../../../src/guest/kernel/fs/file-system.ts';
import { hostDirectory } from '../../../src/guest/kernel/fs/host-directory.ts';
import { lowerTree } from '../../../src/guest/kernel/fs/lower-tree.ts';
import { defaultScratch, Quota } from '../../../src/guest/kernel/fs/quota.ts';
import { ScratchDirectory } from '../../../src/guest/kernel/fs/scratch-directory.ts';
import { ScratchSpace } from '../../../src/guest/kernel/fs/scratch-inode.ts';
import { systemClock } from '../../../src/guest/kernel/local-run.ts';
import { fixture, type GuestOptions, runGuest } from '../../support/run-guest.ts';

const nowNs = (): bigint => BigInt(Math.round(systemClock.wallMs() * 1000)) * 1000n;

describe.each(['scratch', 'host folder'])('on a %s', (kind) => {
  test.each(['files', 'directories', 'paths', 'symlinks', 'names', 'rights'])('%s: every check holds', async (name) => {
    const { mount, left } = directory(kind);
    const run = await runGuest(fixture(`wasi/${name}`), { files: mounted([mount]) });
    expect({ end: run.end, stderr: String(run.stderr) }).toEqual({ end: { kind: 'exit', status: 0 }, stderr: '' });
    // The program has tidied up.
    expect(left()).toEqual([]);
  });

  test('descriptors: standard streams and preopens can be closed and renumbered', async () => {
    const { mount, left } = directory(kind);
    const run = await runGuest(fixture('wasi/descriptors'), { files: mounted([mount]) });
    expect({ end: run.end, stderr: String(run.stderr) }).toEqual({ end: { kind: 'exit', status: 0 }, stderr: '' });
    expect(String(run.stdout)).toBe('before\nafter\n');
    expect(left()).toEqual([]);
  });
});

test('poll: clocks in order of time, descriptors when they are ready, errors per subscription', async () => {
  const run = await runGuest(fixture('wasi/poll'), { stdin: 'input' });
  expect({ end: run.end, stderr: String(run.stderr) }).toEqual({ end: { kind: 'exit', status: 0 }, stderr: '' });
});

test('basics: arguments, environment, clocks, random bytes; proc_exit ends with its status', async () => {
  const run = await runGuest(fixture('wasi/basics'), {
    args: ['prog', 'a b', '', 'ü'],
    env: { A: 'text', B: 'escap " ing', C: 'new\nline' },
  });
  expect({ end: run.end, stderr: String(run.stderr) }).toEqual({ end: { kind: 'exit', status: 33 }, stderr: '' });
  expect(String(run.stdout)).toBe('arg prog\narg a b\narg \narg ü\nenv A=text\nenv B=escap " ing\nenv C=new\nline\n');
});

test('cgi: a Wagi-style program reads its body, its arguments and the files of the pushed tree', async () => {
  const lower = lowerTree([{ path: 'greeting.txt', bytes: Buffer.from('hello from the tree\n') }]);
  const run = await runGuest(fixture('wasi/cgi'), {
    args: ['/path', 'x=1'],
    env: { REQUEST_METHOD: 'POST' },
    stdin: 'the body',
    files: () => makeFileSystem({ lower, nowNs }),
  });
  expect(run.end).toEqual({ kind: 'exit', status: 0 });
  expect(String(run.stdout)).toBe(
    'Content-Type: text/plain\nX-Method: POST\n\nx=1\nhello from the tree\nthe body\n8 bytes\n',
  );
});

test('words: AssemblyScript, its own runtime library over the same calls', async () => {
  const run = await runGuest(fixture('wasi/words'), {
    args: ['words', 'first', 'the "second"'],
    env: { K: 'v=w', Z: '' },
    stdin: 'some words in  several\nlines\n',
  });
  expect({ end: run.end, stderr: String(run.stderr) }).toEqual({ end: { kind: 'exit', status: 5 }, stderr: '' });
  expect(String(run.stdout)).toBe('arg first\narg the "second"\nenv K=v=w\nenv Z=\nwords 5\n');
});

test('without mounts / is the preopen at 3; with mounts only these are, in order', async () => {
  const prestat = (fd: number) => `(drop (call $get (i32.const ${fd}) (i32.const 0)))
    (i32.store (i32.const ${fd * 16}) (call $name (i32.const ${fd}) (i32.const ${fd * 16 + 4}) (i32.const 8)))`;
  const wat = `(module
    (import "wasi_snapshot_preview1" "fd_prestat_get" (func $get (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_prestat_dir_name" (func $name (param i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (func (export "_start") ${[3, 4, 5].map(prestat).join('\n')}))`;
  const names = async (options: GuestOptions): Promise<readonly string[]> => {
    const { memory } = await runGuest(wat, options);
    const view = new DataView(memory.buffer, memory.byteOffset);
    return [3, 4, 5].map((fd) => {
      const error = view.getUint32(fd * 16, true);
      return error === 0
        ? Buffer.from(memory.subarray(fd * 16 + 4, fd * 16 + 12))
            .toString()
            .replace(/\0+$/, '')
        : `${error}`;
    });
  };
  expect(await names({})).toEqual(['/', '8', '8']);
  const { mount } = directory('scratch');
  expect(
    await names({
      files: mounted([
        { ...mount, name: 'data' },
        { ...mount, name: '/x' },
      ]),
    }),
  ).toEqual(['data', '/x', '8']);
});

function mounted(mounts: readonly Mount[]) {
  return () => makeFileSystem({ lower: null, nowNs, mounts });
}

/** An empty directory to mount as `/`, and what is in it afterwards. */
function directory(kind: string): { readonly mount: Mount; readonly left: () => readonly string[] } {
  if (kind === 'scratch') {
    const scratch = new ScratchDirectory(new ScratchSpace(new Quota(defaultScratch, null), nowNs), null);
    // The programs' own tidying is not all: whatever was open is closed by the end.
    const left = () => [...scratch.files()].map(({ path }) => path);
    return { mount: { name: '/', directory: scratch }, left };
  }
  const folder = mkdtempSync(join(tmpdir(), 'trisiel-wasi-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return { mount: { name: '/', directory: hostDirectory(folder) }, left: () => readdirSync(folder) };
}
