/** The specification's table, so that a row cannot change unnoticed. */
import { expect, test } from 'vitest';
import { cwa } from '../../../src/guest/kernel/abi/cwa/cwa.ts';
import { fixture, runGuest, text } from '../../support/run-guest.ts';

test('the functions and their types are those of the specification', () => {
  const rows = cwa.syscalls.map(
    ({ name, params, result }) => `${name}(${params.map((param) => param.type).join(' ')}) ${result ?? '-'}`,
  );
  expect(rows).toEqual([
    'log_write(i32 i32 i32) -',
    'env_get(i32 i32 i32 i32) i32',
    'runtime_spec_major() i32',
    'runtime_spec_minor() i32',
    'runtime_name(i32 i32) i32',
    'runtime_msleep(i32) -',
    'runtime_exit(i32) -',
    'startup_arg_len() i32',
    'startup_arg_at(i32 i32 i32) i32',
    'resource_open(i32 i32) i32',
    'resource_read(i32 i32 i32) i32',
    'resource_write(i32 i32 i32) i32',
    'resource_close(i32) -',
    'resource_close(i32) i32',
    'resource_flush(i32) i32',
    'time_now() i64',
    'io_get_stdin() i32',
    'io_get_stdout() i32',
    'io_get_stderr() i32',
    'random_i32() i32',
    'random_i64() i64',
  ]);
});

test('calls that can never wait are plain imports', () => {
  const waiting = cwa.syscalls.filter((row) => row.waits).map((row) => row.name);
  expect([...new Set(waiting)]).toEqual([
    'runtime_msleep',
    'resource_open',
    'resource_read',
    'resource_write',
    'resource_close',
    'resource_flush',
  ]);
});

test.each(['cwa', 'env'])('functions are provided by the module %s', async (module) => {
  const run = await runGuest(
    `(module (import "${module}" "runtime_spec_minor" (func $minor (result i32)))
       (func (export "cwa_main") (result i32) (call $minor)))`,
  );
  expect(run.end).toEqual({ kind: 'exit', status: 1 });
});

test('the C guest answers with a CGI head, its path and a log line', async () => {
  const run = await runGuest(fixture('cwa/hello-c'), { env: { PATH_INFO: '/here' } });
  expect(text(run.stdout)).toBe('Content-Type: text/plain\n\nHello from C at /here!\n');
  expect(run.logs.map((line) => line.text)).toEqual(['hello-c was called']);
});

test('the fixtures do what their heads say', async () => {
  const echo = await runGuest(fixture('cwa/echo'), { stdin: 'body' });
  expect(text(echo.stdout)).toBe('Content-Type: application/octet-stream\n\nbody');
  const env = await runGuest(fixture('cwa/env'), { env: { GREETING: 'hi' } });
  expect(text(env.stdout)).toBe('Content-Type: text/plain\n\nhi\n');
  const log = await runGuest(fixture('cwa/log'));
  expect(log.logs.map((line) => line.text)).toEqual([
    'an error',
    'a warning',
    'some information',
    'guest: two lines',
    'guest: in one write',
  ]);
  const sleep = await runGuest(fixture('cwa/sleep'), { env: { QUERY_STRING: '12' } });
  expect(text(sleep.stdout)).toBe('slept\n');
  expect((await runGuest(fixture('cwa/exit'))).end).toEqual({ kind: 'exit', status: 3 });
  expect((await runGuest(fixture('cwa/trap'))).end).toEqual({ kind: 'trap', message: 'unreachable in boom' });
  const spin = await runGuest(fixture('cwa/spin'), { limits: { gas: 1_000_000 } });
  expect(spin.end).toMatchObject({ kind: 'gas', limit: 1_000_000 });
});
