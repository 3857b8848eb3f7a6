/** wasmcloud run --serve: a component answers HTTP requests on the loopback, until it is interrupted. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, expect, test } from 'vitest';

const root = join(import.meta.dirname, '../../..');
const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill();
});

/** Starts the tool. Resolves to the address that it tells, and a function that interrupts it and returns its status. */
async function serve(guest: string) {
  const file = join(root, 'fixtures/guests/component', `${guest}.wasm`);
  const child = spawn(process.execPath, [join(root, 'bin/wasmcloud.js'), 'run', '--serve', '0', file]);
  children.push(child);
  const lines = createInterface({ input: child.stderr });
  const [line] = (await once(lines, 'line')) as [string];
  const interrupt = async () => {
    child.kill('SIGINT');
    return ((await once(child, 'exit')) as [number | null])[0];
  };
  return { url: line.replace('listening on ', ''), interrupt };
}

test.each(['http', 'http3'])('%s answers, streams and is told of as broken, until Ctrl-C', async (guest) => {
  const { url, interrupt } = await serve(guest);
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/);
  const hello = await fetch(url);
  expect([hello.status, hello.headers.get('content-type'), await hello.text()]).toEqual([
    200,
    'text/plain',
    'Hello, world!',
  ]);
  const body = 'x'.repeat(500_000);
  const echo = await fetch(`${url}${guest === 'http3' ? 'copy' : ''}`, { method: 'POST', body });
  expect(await echo.text()).toBe(body);
  const trap = await fetch(`${url}trap`);
  expect(trap.status).toBe(500);
  expect(await trap.text()).toContain('unreachable');
  expect(await interrupt()).toBe(130);
});

test('a program that answers no requests is not served', async () => {
  const file = join(root, 'fixtures/guests/component/cgi.wasm');
  const child = spawn(process.execPath, [join(root, 'bin/wasmcloud.js'), 'run', '--serve', '0', file]);
  children.push(child);
  let text = '';
  child.stderr.on('data', (chunk) => (text += String(chunk)));
  const [status] = (await once(child, 'close')) as [number];
  expect([status, text]).toEqual([1, expect.stringContaining('does not answer HTTP requests')]);
  expect(text).toContain("run --request 'GET /'");
});
