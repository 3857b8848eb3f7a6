/** Programs in C and AssemblyScript over WASI, and a Land program, pushed and called as functions. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  call,
  createUser,
  LogTail,
  makeRepo,
  push,
  type RepoFiles,
  removeTemporaryFolders,
  startPlatform,
  type TestPlatform,
  type TestUser,
} from '../support/e2e.ts';
import { assemble, fixture } from '../support/e2e-guests.ts';

let platform: TestPlatform;
let ada: TestUser;
beforeAll(async () => {
  platform = await startPlatform({ TRISIEL_RUNNERS: '1' });
  ada = await createUser(platform, 'ada');
});
afterAll(async () => {
  await platform.stop();
  await removeTemporaryFolders();
});

async function deploy(handler: string, files: RepoFiles): Promise<void> {
  const pushed = await push(platform, ada, await makeRepo(files), handler);
  expect(pushed.status, pushed.stderr).toBe(0);
}

it('a Wagi-style program gets the body, the query as arguments and the files of the push', async () => {
  await deploy('wagi', {
    'cgi.wasm': await fixture('wasi/cgi.wasm'),
    'public/greeting.txt': 'hello from the push\n',
    'wasmcloud.toml': '[files]\nroot = "public"\n',
  });
  // Many in turn and at once: each starts with an empty scratch and memory.
  const bodies = Array.from({ length: 20 }, (_, i) => `body ${'x'.repeat(i * 500)} ${i}`);
  const answers = await Promise.all(
    bodies.map((body) => call(platform, 'wagi', { method: 'POST', path: '/some/path?a=1&b=two', body })),
  );
  for (const [i, answer] of answers.entries()) {
    expect(answer.status).toBe(200);
    expect(answer.headers['x-method']).toBe('POST');
    const body = bodies[i] as string;
    expect(answer.body).toBe(`a=1\nb=two\nhello from the push\n${body}\n${body.length} bytes\n`);
  }
});

it('a Land program finds the body in stdin and answers with stdout', async () => {
  await deploy('land', { 'copy.wasm': await fixture('land/copy.wasm') });
  for (const body of ['first', 'the second, which is longer', 'x'.repeat(100_000)]) {
    const answer = await call(platform, 'land', { method: 'POST', body });
    expect({ status: answer.status, body: answer.body }).toEqual({ status: 200, body });
  }
});

it('a Land program that fails is a 500, and the log says which call', async () => {
  const wat = `(module
    (import "env" "read" (func $read (param i32 i32 i32) (result i32)))
    (memory 1)
    (func (export "main") (result i32) (call $read (i32.const 7) (i32.const 16) (i32.const 4))))`;
  await deploy('land-fails', { 'fails.wasm': assemble(wat) });
  const answer = await call(platform, 'land-fails');
  expect({ status: answer.status, code: JSON.parse(answer.body).code }).toEqual({ status: 500, code: 'trapped' });
  const tail = await LogTail.open(platform, ada, 'land-fails');
  const line = await tail.line(({ text }) => text.includes('land: read(7, 0x10, 4): no such descriptor'));
  expect(line.stream).toBe('platform');
  tail.close();
});

it('every request has a file system of its own, and gives back what it took', async () => {
  // Opens tmp/big exclusively, makes it 8 MiB long, and says how both went: 00, or the errors.
  const wat = `(module
    (import "wasi_snapshot_preview1" "path_open"
      (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_filestat_set_size" (func $size (param i32 i64) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "tmp/big")
    (data (i32.const 32) "\\40\\00\\00\\00\\02\\00\\00\\00")
    (func (export "_start")
      (i32.store8 (i32.const 64) (i32.add (i32.const 48)
        (call $open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 7) (i32.const 5)
          (i64.const 4194368) (i64.const 0) (i32.const 0) (i32.const 128))))
      (i32.store8 (i32.const 65) (i32.add (i32.const 48)
        (call $size (i32.load (i32.const 128)) (i64.const 8388608))))
      (drop (call $write (i32.const 1) (i32.const 32) (i32.const 1) (i32.const 256)))))`;
  await deploy('scratch', { 'scratch.wasm': assemble(wat) });
  // Together far more than a runner's scratch; one after the other it is there again.
  for (let i = 0; i < 120; i += 1) expect((await call(platform, 'scratch')).body).toBe('00');
});
