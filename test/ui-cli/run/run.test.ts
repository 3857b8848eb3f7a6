/** `wasmcloud run` from outside: bytes, words and exit status. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { sourceLineLimits } from '../../../src/guest/wasm/lines/rows.ts';
import { customSection, sourceMapOf, withSection } from '../../support/source-lines.ts';
import { entry, file, guest, wasmcloud, wasmcloudRun } from '../../support/ui-cli-run.ts';
import { wat } from '../../support/wasm.ts';

test('stdout is the guest’s, byte for byte; log lines stand on stderr; the status is the guest’s', async () => {
  const hello = await wasmcloudRun([guest('cwa/hello.wasm')]);
  expect(hello).toMatchObject({ status: 0, stderr: '[info] hello was called\n' });
  expect(hello.stdout.toString()).toBe('Hello, world!\n');
  expect(await wasmcloudRun([guest('cwa/exit.wasm')])).toMatchObject({
    status: 3,
    stderr: '',
    stdout: Buffer.alloc(0),
  });
});

test('bytes go through unchanged and in order, whatever they are', async () => {
  const input = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 7919) & 0xff));
  const { status, stdout, stderr } = await wasmcloudRun([guest('dagger/cat64.wasm')], input);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout.equals(input)).toBe(true);
});

test('.wat and .h are run from their source', async () => {
  expect((await wasmcloudRun([guest('h/words.h')])).stdout.toString()).toBe("h\nhh\nh'h\n'\n");
  expect((await wasmcloudRun([guest('cwa/hello.wat')])).stdout.toString()).toBe('Hello, world!\n');
});

test('--env sets variables, also several and with = in the value', async () => {
  const words = ['--env', 'OTHER=1', '--env', 'GREETING=a=b', guest('cwa/env.wasm')];
  expect((await wasmcloudRun(words)).stdout.toString()).toBe('Content-Type: text/plain\n\na=b\n');
});

test('what stands behind FILE is the guest’s, even if it looks like ours', async () => {
  const { stdout } = await wasmcloudRun([
    await file('args.wat', printArguments),
    '--stats',
    '-x',
    '--cgi',
    '--',
    'plain',
  ]);
  expect(stdout.toString()).toBe('--stats\n-x\n--cgi\n--\nplain\n');
});

test('a simulated request gives its query as arguments, as Wagi does', async () => {
  const { stdout } = await wasmcloudRun(['--cgi', 'GET', '/p?a=1&b', await file('args.wat', printArguments)]);
  expect(stdout.toString()).toBe('a=1\nb\n');
});

/** All arguments but the first, a line each. */
const printArguments = `(module
      (import "cwa" "startup_arg_len" (func $argc (result i32)))
      (import "cwa" "startup_arg_at" (func $arg (param i32 i32 i32) (result i32)))
      (import "cwa" "io_get_stdout" (func $stdout (result i32)))
      (import "cwa" "resource_write" (func $write (param i32 i32 i32) (result i32)))
      (memory 1) (data (i32.const 0) "\\n")
      (func (export "main") (local $i i32)
        (local.set $i (i32.const 1))
        (block $end (loop $next
          (br_if $end (i32.ge_u (local.get $i) (call $argc)))
          (drop (call $write (call $stdout) (i32.const 16) (call $arg (local.get $i) (i32.const 16) (i32.const 100))))
          (drop (call $write (call $stdout) (i32.const 0) (i32.const 1)))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br $next)))))`;

test('--stats prints gas, calls, memory and time after the guest’s end', async () => {
  const { stdout, stderr } = await wasmcloudRun(['--stats', guest('h/h.h')]);
  expect(stdout.toString()).toBe('h\n');
  expect(stderr).toMatch(
    /^gas: 11\nsyscalls: 2\nmemory-pages: 0\ntime-ms: \d+\.\d{3}\nsyscall\.h: 2\nbytes-out\.stdout: 2\n$/,
  );
});

test('--json prints the same figures as one object', async () => {
  const { stderr } = await wasmcloudRun(['--stats', '--json', guest('cwa/hello.wasm')]);
  const [, json = ''] = stderr.split('\n');
  expect(JSON.parse(json)).toMatchObject({
    gas: 11,
    syscalls: 3,
    'memory-pages': 1,
    calls: { resource_write: { count: 1, waitMs: 0 } },
    io: { stdout: { bytesIn: 0, bytesOut: 14 } },
    end: 'exit',
    status: 0,
  });
});

test('options of the tool may stand in front of run, and help knows its options', async () => {
  const json = await wasmcloud(['--json', 'run', guest('h/h.h')]);
  expect(JSON.parse(json.stderr)).toMatchObject({ gas: 11, status: 0 });
  const help = await wasmcloud(['help', 'run']);
  expect(help.stdout.toString()).toContain('--memory-pages <n>');
});

test('--profile writes a flame graph or folded stacks, the same every time', async () => {
  const program = await file(
    'spin.wat',
    `(module (func $inner (local $i i32)
       (loop $next (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 50000)))))
     (func $outer (export "main") (call $inner)))`,
  );
  const [svg, folded, again] = [await file('a.svg', ''), await file('a.folded', ''), await file('b.folded', '')];
  expect((await wasmcloudRun(['--profile', svg, program])).stderr).toMatch(
    /profile: flame graph of \d+ stacks in .*a\.svg/,
  );
  expect(await readFile(svg, 'utf8')).toMatch(/^<svg .*<title>inner: /s);
  await wasmcloudRun(['--profile', folded, program]);
  await wasmcloudRun(['--profile', again, program]);
  expect(await readFile(folded, 'utf8')).toMatch(/^outer;inner \d+\n$/);
  expect(await readFile(folded, 'utf8')).toBe(await readFile(again, 'utf8'));
  expect((await wasmcloudRun(['--profile', '/nowhere/a.svg', program])).stderr).toContain('could not be written');
});

test('--trace prints a line for each call, with arguments, strings and result', async () => {
  const { stderr } = await wasmcloudRun(['--trace', guest('cwa/hello.wasm')]);
  expect(stderr.split('\n')).toEqual([
    '[info] hello was called',
    'log_write(level=6, msg=0x40[16] "hello was called")',
    'io_get_stdout() = 0',
    'resource_write(fd=0, data=0x10[14] "Hello, world!\\n") = 14',
    '',
  ]);
});

test('--cgi simulates a request: environment and body', async () => {
  const words = ['--cgi', 'POST', '/a%20b?c=d', '--stats', guest('cwa/echo.wasm')];
  const echo = await wasmcloudRun(words, 'the body');
  expect(echo.stdout.toString()).toBe('Content-Type: application/octet-stream\n\nthe body');
  const quoted = await wasmcloudRun(['--cgi', 'POST /a%20b?c=d', guest('cwa/echo.wasm')], 'body');
  const apart = await wasmcloudRun(['--cgi', 'POST', '/a%20b?c=d', guest('cwa/echo.wasm')], 'body');
  expect(quoted).toEqual(apart);
  const hello = await wasmcloudRun(['--cgi', 'GET', '/a%20b?c=d', guest('cwa/hello-c.wasm')]);
  expect(hello.stdout.toString()).toBe('Content-Type: text/plain\n\nHello from C at /a b!\n');
});

test('--request calls a component that speaks wasi:http, and tells where it gives no answer', async () => {
  const component = guest('component/http.wasm');
  const echo = await wasmcloudRun(['--request', 'POST /', component], 'the body');
  expect(echo.stdout.toString()).toBe('Status: 200\ncontent-type: text/plain\n\nthe body');
  const head = await wasmcloudRun(['--request', 'HEAD', '/', component]);
  expect([head.status, head.stdout.toString()]).toEqual([0, 'Status: 200\ncontent-type: text/plain\n\n']);
  const none = await wasmcloudRun(['--request', 'GET', '/none', component]);
  expect([none.status, none.stderr]).toEqual([
    1,
    'no answer: the component returned without an answer: neither response-outparam.set (0.2) nor task.return (0.3) was called\n',
  ]);
  const without = await wasmcloudRun([component]);
  expect([without.status, without.stderr.split('\n')[0]]).toEqual([
    1,
    `error: ${component} answers HTTP requests, and there is none`,
  ]);
});

test('a command component has arguments, standard streams, environment and files like any program', async () => {
  const asModule = await wasmcloudRun(['--env', 'A=b', guest('wasi/cgi.wasm'), 'one', 'two'], 'some words');
  const asComponent = await wasmcloudRun(['--env', 'A=b', guest('component/cgi.wasm'), 'one', 'two'], 'some words');
  expect(asComponent.status).toBe(asModule.status);
  expect(asComponent.stdout.toString()).toBe(asModule.stdout.toString());
});

test('the same gas is used in every slicing: limit = used passes, one less does not', async () => {
  const component = guest('component/http.wasm');
  const run = (gas: number) =>
    wasmcloudRun(['--stats', '--json', '--gas', String(gas), '--request', 'GET /', component]);
  const free = await run(1_000_000);
  const used = (JSON.parse(free.stderr) as { readonly gas: number }).gas;
  expect((await run(used)).status).toBe(0);
  expect((await run(used - 1)).status).toBe(137);
});

test.each([
  [
    'a trap',
    ['cwa/trap.wasm'],
    134,
    'error: the guest trapped: unreachable in boom\nSTACK (innermost first)\n  boom\n  function 1\n',
  ],
  [
    'no gas',
    ['--gas', '1_000', 'cwa/spin.wasm'],
    137,
    'error: out of gas: 1000 instructions were allowed (--gas)\nSTACK (innermost first)\n  function 0\n',
  ],
  [
    'the deadline',
    ['--timeout-ms', '50', 'cwa/sleep.wasm'],
    124,
    'error: the guest was still running after 50 ms (--timeout-ms)\n',
  ],
  [
    'the deadline of a busy guest',
    ['--timeout-ms', '50', '--gas', '1_000_000_000_000', 'cwa/spin.wasm'],
    124,
    'error: the guest was still running after 50 ms (--timeout-ms)\nSTACK (innermost first)\n  function 0\n',
  ],
])('%s has a status and a line of its own', async (_title, words, status, stderr) => {
  const last = words.at(-1) as string;
  expect(await wasmcloudRun([...words.slice(0, -1), guest(last)])).toMatchObject({ status, stderr });
});

test('a failure shows the functions that were running, with their source lines, as on the platform', async () => {
  const lines = join(import.meta.dirname, '../../../fixtures/debug/lines-dwarf5.wasm');
  const stack = [
    'divide (src/divide.h:4)',
    'sum (src/lines.c:13)',
    'logged (src/lines.c:18)',
    'cwa_main (src/lines.c:23)',
  ];
  const { status, stderr } = await wasmcloudRun([lines]);
  expect(status).toBe(134);
  expect(stderr.split('\n').slice(-7)).toEqual([
    'error: the guest trapped: divide by zero in divide',
    'STACK (innermost first)',
    ...stack.map((frame) => `  ${frame}`),
    '',
  ]);
});

test('a source map is found beside the file that names it, and one that cannot be read leaves the names', async () => {
  const bytes = wat('(module (func $main (export "cwa_main") unreachable))');
  const naming = (url: string) => withSection(bytes, 'sourceMappingURL', customSection.name(url));
  const module = await file('traps.wasm', naming('maps/traps.wasm.map'));
  const map = join(dirname(module), 'maps/traps.wasm.map');
  const frames = async () => (await wasmcloudRun([module])).stderr.split('\n').slice(2, -1);
  expect(await frames()).toEqual(['  main']);
  await mkdir(dirname(map));
  await writeFile(map, sourceMapOf(bytes.length, '\u001b[31ma.ts'));
  expect(await frames()).toEqual([expect.stringMatching(/^ {2}main \(\ufffd\[31ma\.ts:\d+\)$/)]);
  await writeFile(map, Buffer.alloc(sourceLineLimits.mapBytes + 1, ' '));
  expect(await frames()).toEqual(['  main']);
  await rm(map);
  await mkdir(map);
  expect(await frames()).toEqual(['  main']);
  for (const url of ['http://127.0.0.1/a.map', '/etc/passwd', 'a\0b', 'x'.repeat(5_000)]) {
    await writeFile(module, naming(url));
    expect(await frames()).toEqual(['  main']);
  }
});

test('--policy reads Olin’s syntax: what it refuses ends the guest with Olin’s status', async () => {
  const policy = await file('handler.policy', 'disallow (\n  ^log:\n)\nallow (\n  .*\n)\ngas-limit 100000\n');
  const { status, stderr } = await wasmcloudRun(['--policy', policy, guest('cwa/log.wasm')]);
  expect(status).toBe(255);
  expect(stderr).toContain('vibe check failed: URL forbidden by policy: log://?prefix=guest (disallow ^log:)');
  const spin = await wasmcloudRun(['--policy', policy, guest('cwa/spin.wasm')]);
  expect(spin.stderr).toContain('out of gas: 100000 instructions');
});

test('--exact-memory, or exact-memory in a manifest, leaves no reserve behind the memory', async () => {
  const beyond = await file(
    'beyond.wat',
    `(module (memory 1 9) (func (export "cwa_main") (result i32)
      (drop (memory.grow (i32.const 0))) (i32.load (i32.const 65536))))`,
  );
  expect((await wasmcloudRun([beyond])).status).toBe(0);
  const exact = await wasmcloudRun(['--exact-memory', beyond]);
  expect(exact).toMatchObject({ status: 134, stderr: expect.stringContaining('out of bounds') });
  const manifest = await file('exact.toml', '[limits]\nexact-memory = true\n');
  expect((await wasmcloudRun(['--policy', manifest, beyond])).status).toBe(134);
  const bad = await file('inexact.toml', '[limits]\nexact-memory = 1\n');
  expect((await wasmcloudRun(['--policy', bad, beyond])).stderr).toContain('limits.exact-memory is true or false');
});

test('--policy reads the policy and limits of a manifest', async () => {
  const manifest = await file('wasmcloud.toml', '[policy]\nallow = ["^log:"]\n[limits]\ngas = 5_000\n');
  expect(await wasmcloudRun(['--policy', manifest, guest('cwa/log.wasm')])).toMatchObject({ status: 0 });
  expect((await wasmcloudRun(['--policy', manifest, guest('cwa/spin.wasm')])).stderr).toContain('5000 instructions');
  const bad = await file('wasmcloud.toml', '[limits]\ngas = \n');
  expect(await wasmcloudRun(['--policy', bad, guest('cwa/log.wasm')])).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('wasmcloud.toml, line 2: '),
  });
});

test('what the platform refuses at push is refused here, in the same words', async () => {
  const unknown = await file('x.wat', '(module (import "cwa" "resource_opne" (func)) (func (export "main")))');
  expect(await wasmcloudRun([unknown])).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('resource_opne'),
  });
  const html = await file('x.wasm', '<!doctype html>');
  expect(await wasmcloudRun([html])).toMatchObject({ status: 1, stderr: expect.stringContaining('HTML') });
  const large = await file('x.wat', '(module (memory 3000) (func (export "main")))');
  expect(await wasmcloudRun([large])).toMatchObject({
    status: 1,
    stderr: expect.stringMatching(/starts with 3000 pages of memory, 2048 are allowed\nhint: .*--memory-pages 3000/s),
  });
  expect((await wasmcloudRun(['--memory-pages', '3000', large])).status).toBe(0);
});

test.each([
  [['--env', 'NOVALUE', 'x'], 'expected NAME=VALUE'],
  [['--dir', 'a::b::c', 'x'], 'expected HOST::GUEST'],
  [['--gas', '0', 'x'], 'gas is a whole number from 1 to'],
  [['--cgi', 'GET', 'nopath', 'x'], 'expected a method and a path'],
  [['--dir', '/does/not/exist', 'x'], '/does/not/exist'],
  [['/does/not/exist.wasm'], 'there is no file /does/not/exist.wasm'],
  [['h.h'], 'there is no file h.h'],
  [[], "missing required argument 'file'"],
  [['--fuel', '1', 'x'], 'help run shows what it takes'],
  [['--request', 'GET', '/tmp/f.wasm'], "missing required argument 'file' (/tmp/f.wasm is the path of --request)"],
])('%j is refused with a word about what is wrong', async (words, message) => {
  expect(await wasmcloudRun(words)).toMatchObject({ status: 1, stderr: expect.stringContaining(message) });
});

test('an h program with a syntax error says where', async () => {
  const source = await file('bad.h', 'hh x');
  expect(await wasmcloudRun([source])).toMatchObject({ status: 1, stderr: expect.stringContaining('column 4') });
});

test('a reader that goes away ends the run quietly', async () => {
  const child = spawn(
    'sh',
    ['-c', `"$0" "$1" run "$2" < /dev/zero | head -c 10`, process.execPath, entry, guest('cwa/echo.wasm')],
    {
      cwd: join(import.meta.dirname, '../../..'),
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  const errors: Buffer[] = [];
  child.stderr.on('data', (chunk: Buffer) => errors.push(chunk));
  child.stdout.resume();
  await once(child, 'close');
  expect(Buffer.concat(errors).toString()).toBe('');
});

test('an interrupt ends the guest with status 130', async () => {
  const child = spawn(process.execPath, [entry, 'run', '--trace', await file('x.wat', waiting)], {
    cwd: join(import.meta.dirname, '../../..'),
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    // The first call has been made: the guest is on its way into the second.
    if (stderr === '') setImmediate(() => child.kill('SIGINT'));
    stderr += chunk;
  });
  const [status] = await once(child, 'close');
  expect({ status, stderr }).toEqual({ status: 130, stderr: expect.stringContaining('error: interrupted') });
});

const waiting = `(module
  (import "cwa" "runtime_spec_minor" (func $minor (result i32)))
  (import "cwa" "runtime_msleep" (func $sleep (param i32)))
  (func (export "main") (drop (call $minor)) (call $sleep (i32.const 25000))))`;

test('--dir maps a folder, --files lists what was left in scratch', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'trisiel-dir-'));
  const writer = await file(
    'writer.wat',
    `(module
      (import "cwa" "resource_open" (func $open (param i32 i32) (result i32)))
      (import "cwa" "resource_write" (func $write (param i32 i32 i32) (result i32)))
      (memory 1)
      (data (i32.const 0) "file:///mapped/a.txt") (data (i32.const 32) "file:///tmp/b.txt")
      (func (export "main") (result i32)
        (i32.sub
          (i32.add
            (call $write (call $open (i32.const 0) (i32.const 20)) (i32.const 0) (i32.const 4))
            (call $write (call $open (i32.const 32) (i32.const 17)) (i32.const 0) (i32.const 5)))
          (i32.const 9))))`,
  );
  const { status, stderr } = await wasmcloudRun(['--dir', `${folder}::/mapped`, '--files', writer]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '         5 b.txt\n' });
  expect(await readFile(join(folder, 'a.txt'), 'utf8')).toBe('file');
});

test('--snapshot runs the start-up first, shows what it printed, and the program from there', async () => {
  const words = ['--snapshot', '--env', 'GREETING=hello', guest('wasi/reactor.wasm')];
  const { status, stdout, stderr } = await wasmcloudRun(words);
  expect(status).toBe(0);
  expect(stdout.toString()).toContain('78498 primes, largest 999983, hello, none, 9, start-ups 1, call 1, no path');
  expect(stderr).toMatch(/^\| sieved 78498 primes\nsnapshot: [\d.]+ ms of start-up saved per call, /);
  const refused = await wasmcloudRun(['--snapshot', guest('cwa/hello.wasm')]);
  expect(refused.status).toBe(1);
  expect(refused.stderr).toContain('has no start-up to take a snapshot of');
});
