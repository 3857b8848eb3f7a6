/**
 * docs/safety.md, faults 13 and 15 to 18, 20: what a pushed module may try, on the whole platform. Bounds in time are
 * only there to tell "late" from "never".
 */
import { createHash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { beforeAttempts } from '../support/attempts.ts';
import {
  answersDuring,
  api,
  call,
  commit,
  createUser,
  makeRepo,
  push,
  removeTemporaryFolders,
  runnerPid,
  startPlatform,
  type TestPlatform,
  type TestUser,
} from '../support/e2e.ts';
import { printing } from '../support/e2e-guests.ts';
import { compileWat } from '../support/fleet.ts';
import { cwaGuest } from '../support/wat.ts';

let platform: TestPlatform;
let ada: TestUser;
beforeAttempts(async () => {
  platform = await startPlatform({ TRISIEL_RUNNERS: '1' });
  ada = await createUser(platform, 'ada');
  await deploy('neighbour', printing('fine\n'));
}, removeTemporaryFolders);
afterAll(removeTemporaryFolders);

async function deploy(handler: string, module: Uint8Array, limits = ''): Promise<void> {
  const repo = await makeRepo({ 'a.wasm': module, ...(limits === '' ? {} : { 'wasmcloud.toml': limits }) });
  const pushed = await push(platform, ada, repo, handler);
  expect(pushed.status, pushed.stderr).toBe(0);
}

/** git wraps what the hooks print; the words are looked for without its line breaks. */
const unwrapped = (text: string) => text.replace(/\s*\nremote:\s+/g, ' ');

describe('fault 13: a Deployment that no runner can compile', () => {
  it('does not take the place of the old one, which answers all requests meanwhile and after', async () => {
    const repo = await makeRepo({ 'a.wasm': printing('one\n') });
    expect((await push(platform, ada, repo, 'steady')).status).toBe(0);
    const before = new Set(await artifactFiles());
    await commit(repo, { 'a.wasm': printing('two\n') });
    expect((await push(platform, ada, repo, 'steady')).status).toBe(0);
    const [second = ''] = (await artifactFiles()).filter((file) => !before.has(file));
    expect((await api(platform, ada, 'POST', '/handlers/steady/rollback', { number: 1 })).status).toBeLessThan(300);

    // What the store hands out is whole by its checksum, and yet nothing that the engine takes.
    const file = await readFile(second);
    const cut = file.subarray(40, -2);
    const checksum = createHash('sha256').update(cut).digest();
    await writeFile(second, Buffer.concat([file.subarray(0, 8), checksum, cut]));
    const attempt = api(platform, ada, 'POST', '/handlers/steady/rollback', { number: 2 });
    expect(await answersDuring(platform, 'steady', attempt)).toEqual(['200 one\n']);
    expect(await attempt).toMatchObject({ status: 422, body: { code: 'vet_failed' } });
    expect((await api(platform, ada, 'GET', '/handlers/steady')).body).toMatchObject({ handler: { version: 1 } });
    // The runner that starts next meets the same Deployments.
    process.kill(await runnerPid(platform), 'SIGKILL');
    await platform.logged('"runner_ended"');
    await expect
      .poll(() => call(platform, 'steady').catch(() => null), { timeout: 60_000 })
      .toMatchObject({ body: 'one\n' });
  });

  async function artifactFiles(): Promise<readonly string[]> {
    const folder = join(platform.dataFolder, 'artifacts');
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  }
});

describe('faults 15 and 16: bombs', () => {
  const start = '(func (export "_start"))';
  const bombs: readonly (readonly [title: string, module: () => Promise<Uint8Array>, words: readonly string[]])[] = [
    [
      'twenty huge tables',
      () => compileWat(`(module ${'(table 10000000 funcref)'.repeat(20)} ${start})`),
      ['number of tables: 20, at most 8', 'initial size of all tables in entries: 200,000,000, at most 1,000,000'],
    ],
    // An array type, and a function that makes one (array.new_default).
    [
      'garbage-collected arrays',
      async () =>
        Buffer.from(
          `0061736d01000000${'0108026000005e7f01'}${'03020100'}${'070a01065f7374617274'}0000${'0a0a010800'}4100fb07011a0b`,
          'hex',
        ),
      ['garbage collection'],
    ],
    [
      'many locals x many branches',
      () =>
        compileWat(
          `(module (func (export "_start") (local ${'i32 '.repeat(49_000)}) ${'(if (i32.const 0) (then))'.repeat(2_000)}))`,
        ),
      ['(locals + operand depth) x branches', 'at most 2,000,000'],
    ],
    [
      'many locals x many calls in a try',
      () =>
        compileWat(
          `(module (func $f) (func (export "_start") (local ${'i32 '.repeat(9_000)}) (try (do ${'(call $f)'.repeat(900)}) (catch_all))))`,
        ),
      ['(locals + operand depth) x branches', 'at most 2,000,000'],
    ],
  ];

  it.each(bombs)('%s: refused at push with the words that say why; others are served', async (_title, make, words) => {
    const repo = await makeRepo({ 'a.wasm': await make() });
    const pushed = push(platform, ada, repo, 'bomb');
    expect(await answersDuring(platform, 'neighbour', pushed)).toEqual(['200 fine\n']);
    const { status, stderr } = await pushed;
    expect(status).toBe(1);
    for (const word of words) expect(unwrapped(stderr)).toContain(word);
    expect(await call(platform, 'bomb')).toMatchObject({ status: 404 });
  });

  it('within the caps, as large as they allow: accepted or refused, never in the way of others', async () => {
    // 1,900 x 1,000 is just under the product that is refused; the engine has real work with it.
    const locals = `(local ${'i64 '.repeat(1_900)})`;
    const branches = '(if (i32.const 0) (then (local.set 0 (i64.const 1))))'.repeat(1_000);
    const module = await compileWat(
      `(module (memory (export "memory") 1) (func (export "_start") ${locals} ${branches}))`,
    );
    const pid = await runnerPid(platform);
    const pushed = push(platform, ada, await makeRepo({ 'a.wasm': module }), 'heavy');
    expect(await answersDuring(platform, 'neighbour', pushed)).toEqual(['200 fine\n']);
    expect((await pushed).stderr).toMatch(/deployed v1|killed/);
    expect(await runnerPid(platform)).toBe(pid);
  });
});

/** Enough that only the deadline can end it. */
const patient = '[limits]\ngas = 1_000_000_000_000\ntimeout-ms = 700\n';
const stingy = '[limits]\ngas = 100_000_000\n';

describe('fault 17: guests that never end', () => {
  const tailCalls = `(module (memory (export "memory") 1)
    (func $even (param i32) (return_call $odd (local.get 0)))
    (func $odd (param i32) (return_call $even (local.get 0)))
    (func (export "cwa_main") (result i32) (call $even (i32.const 1)) (i32.const 0)))`;
  const fills = cwaGuest({
    pages: '1024',
    body: '(loop $again (memory.fill (i32.const 0) (i32.const 7) (i32.const 67108864)) (br $again))',
  });
  const copies = cwaGuest({
    pages: '1024',
    body: '(loop $again (memory.copy (i32.const 8) (i32.const 0) (i32.const 33554432)) (br $again))',
  });
  const loops = cwaGuest({ body: '(loop $again (br $again))' });
  const grows = cwaGuest({ body: '(loop $again (drop (memory.grow (i32.const 65536))) (br $again))' });
  const catching = (inner: string) => `(module
    (import "cwa" "runtime_msleep" (func $sleep (param i32))) (memory (export "memory") 1) (tag $t)
    (func $deep (param i32)
      (if (i32.eqz (local.get 0)) (then (throw $t)))
      (call $deep (i32.sub (local.get 0) (i32.const 1))))
    (func $again (param i32)
      (if (i32.eqz (local.get 0)) (then (throw $t)))
      (try (do (call $again (i32.sub (local.get 0) (i32.const 1)))) (catch_all (rethrow 0))))
    (func (export "cwa_main") (result i32)
      (loop $l (try (do ${inner}) (catch_all (br $l)))) (i32.const 0)))`;
  const throws = catching('(throw $t)');
  const unwinds = catching('(call $deep (i32.const 7000))');
  const rethrows = catching('(call $again (i32.const 7000))');
  const catchesSleeps = catching('(loop $s (call $sleep (i32.const 1)) (br $s))');
  const sleeps = cwaGuest({ body: '(loop $again (call $sleep (i32.const 1000000000)) (br $again))' });
  const naps = cwaGuest({ body: '(loop $again (call $sleep (i32.const 1)) (br $again))' });

  it.each([
    ['an endless loop', 'loops', loops, stingy, 500, 'out_of_gas'],
    ['tail calls in a circle', 'tail-calls', tailCalls, stingy, 500, 'out_of_gas'],
    ['memory.grow that is refused, again and again', 'grows', grows, stingy, 500, 'out_of_gas'],
    ['memory.fill of 64 MiB, again and again', 'fills', fills, stingy, 500, 'out_of_gas'],
    ['memory.copy of 32 MiB, again and again', 'copies', copies, stingy, 500, 'out_of_gas'],
    ['exceptions that are thrown and caught, again and again', 'throws', throws, stingy, 500, 'out_of_gas'],
    ['exceptions through 7,000 functions', 'unwinds', unwinds, stingy, 500, 'out_of_gas'],
    ['exceptions with gas for hours', 'throws-late', throws, patient, 504, 'deadline_exceeded'],
    [
      'exceptions through 7,000 functions, with gas for hours',
      'unwinds-late',
      unwinds,
      patient,
      504,
      'deadline_exceeded',
    ],
    ['exceptions that 7,000 functions throw again', 'rethrows', rethrows, patient, 504, 'deadline_exceeded'],
    ['a catch around sleeps', 'catches-sleeps', catchesSleeps, patient, 504, 'deadline_exceeded'],
    ['tail calls with gas for hours', 'tail-calls-late', tailCalls, patient, 504, 'deadline_exceeded'],
    ['memory.fill with gas for hours', 'fills-late', fills, patient, 504, 'deadline_exceeded'],
    ['one long sleep', 'sleeps', sleeps, patient, 504, 'deadline_exceeded'],
    ['short sleeps without end', 'naps', naps, patient, 504, 'deadline_exceeded'],
  ])('%s', async (_title, handler, source, limits, status, code) => {
    await deploy(handler, await compileWat(source), limits);
    const answer = call(platform, handler);
    expect(await answersDuring(platform, 'neighbour', answer)).toEqual(['200 fine\n']);
    const { status: told, body } = await answer;
    expect([told, (JSON.parse(body) as { code: string }).code]).toEqual([status, code]);
  });
});

describe('fault 18: guests that ignore every error of the host', () => {
  const ignoring = (body: string) => cwaGuest({ data: ['(data (i32.const 0) "nonsense:")'], body });
  it.each([
    ['writing to no descriptor', 'ignores-write', '(drop (call $write (i32.const 99) (i32.const 0) (i32.const 8)))'],
    ['reading into no memory', 'ignores-read', '(drop (call $read (call $stdin) (i32.const -8) (i32.const 99)))'],
    ['opening what there is not', 'ignores-open', '(drop (call $open (i32.const 0) (i32.const 9)))'],
    [
      'flushing and sleeping in turn',
      'ignores-sleep',
      '(drop (call $flush (i32.const 42))) (call $sleep (i32.const 1))',
    ],
  ])('%s: stopped at the deadline', async (_title, handler, body) => {
    await deploy(handler, await compileWat(ignoring(`(loop $again ${body} (br $again))`)), patient);
    const pid = await runnerPid(platform);
    const all = Promise.all([call(platform, handler), call(platform, handler)]);
    expect(await answersDuring(platform, 'neighbour', all)).toEqual(['200 fine\n']);
    for (const answer of await all) {
      expect([answer.status, (JSON.parse(answer.body) as { code: string }).code]).toEqual([504, 'deadline_exceeded']);
    }
    expect(await runnerPid(platform)).toBe(pid);
  });
});

describe('fault 20: memory that grows between and before reads that wait', () => {
  it('gives the bytes as they were sent, also across what was the end', async () => {
    // Grows by a page before each read, and reads to just before the end of the new memory.
    const source = cwaGuest({
      pages: '1',
      data: ['(data (i32.const 0) "A: b\\n\\n")'],
      body: `
        (drop (call $write (call $stdout) (i32.const 0) (i32.const 6)))
        (loop $more
          (drop (memory.grow (i32.const 1)))
          (local.set $n (call $read (call $stdin)
            (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 70000)) (i32.const 60000)))
          (if (i32.gt_s (local.get $n) (i32.const 0)) (then
            (drop (call $write (call $stdout)
              (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 70000)) (local.get $n)))
            (drop (call $flush (call $stdout)))
            (br $more))))`,
    });
    await deploy('growing', await compileWat(source));
    const port = new URL(platform.runUrl).port;
    const parts = Array.from({ length: 40 }, (_, n) => Buffer.alloc(1 + n * 777, `${n} part `));
    const sent = Buffer.concat(parts);
    // With its length: a chunked body of this size would be collected before the guest runs.
    const headers = { 'content-length': sent.length };
    const outgoing = request({ host: '127.0.0.1', port, method: 'POST', path: '/growing/', headers, agent: false });
    const received: Buffer[] = [];
    outgoing.write(parts[0]);
    let next = 1;
    let expected = parts[0]?.length ?? 0;
    await new Promise<void>((resolve, reject) => {
      outgoing.on('error', reject);
      outgoing.on('response', (response) => {
        let count = 0;
        response.on('error', reject);
        response.on('end', resolve);
        response.on('data', (chunk: Buffer) => {
          received.push(chunk);
          count += chunk.length;
          // The guest has everything so far, and its next read waits (or is about to).
          if (count < expected) return;
          const part = parts[next];
          next += 1;
          if (part === undefined) outgoing.end();
          else outgoing.write(part);
          expected += part?.length ?? 0;
        });
      });
    });
    expect(Buffer.concat(received).equals(sent)).toBe(true);
  });
});

describe('fault 54: a module that can only fail', () => {
  const modules = [
    [
      'whose start function traps',
      '(func $boot unreachable) (start $boot)',
      'its start function traps: unreachable in boot',
    ],
    [
      'whose _initialize never ends',
      '(func (export "_initialize") (loop $again br $again))',
      'its _initialize uses more than the 100,000,000 gas of a call',
    ],
  ] as const;

  it.each(modules)('%s: refused at push, the version before stays', async (_title, text, words) => {
    const repo = await makeRepo({ 'a.wasm': printing('one\n'), 'wasmcloud.toml': stingy });
    const handler = `start-${text.length}`;
    expect((await push(platform, ada, repo, handler)).status).toBe(0);
    await commit(repo, { 'a.wasm': await compileWat(`(module ${text} (func (export "_start")))`) });
    const pushed = push(platform, ada, repo, handler);
    expect(await answersDuring(platform, 'neighbour', pushed)).toEqual(['200 fine\n']);
    const { status, stderr } = await pushed;
    expect(status).toBe(1);
    expect(unwrapped(stderr)).toContain(`a.wasm cannot start: ${words}`);
    expect(unwrapped(stderr)).toContain('nothing deployed; v1 is still live');
    expect(await call(platform, handler)).toMatchObject({ status: 200, body: 'one\n' });
  });

  it('by the limits that were set without a push', async () => {
    const gas = 2_000_000;
    const loops = (count: number) =>
      `(func $boot (local $n i32) (loop $again (br_if $again (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const ${count}))))) (start $boot)`;
    const repo = await makeRepo({ 'a.wasm': printing('one\n') });
    expect((await push(platform, ada, repo, 'set-limits')).status).toBe(0);
    const set = await api(platform, ada, 'PATCH', '/handlers/set-limits', { limits: { gas } });
    expect(set.status).toBeLessThan(300);
    await commit(repo, { 'a.wasm': await compileWat(`(module ${loops(gas)} (func (export "_start")))`) });
    expect(unwrapped((await push(platform, ada, repo, 'set-limits')).stderr)).toContain('2,000,000 gas of a call');
    await commit(repo, { 'a.wasm': await compileWat(`(module ${loops(100)} (func (export "_start")))`) });
    expect((await push(platform, ada, repo, 'set-limits')).status).toBe(0);
  });
});
