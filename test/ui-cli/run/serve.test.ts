/** wasmcloud run --serve: a component answers HTTP requests on the loopback, until it is interrupted. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { afterEach, expect, test } from 'vitest';
import type { IncomingHttp } from '../../../src/guest/kernel/incoming-http.ts';
import { serve as serveWith } from '../../../ui-cli/run/serve.ts';

/** Serves with `run` while `use` goes on, which gets the address. */
async function serving(
  run: (http: IncomingHttp, gone: AbortSignal) => Promise<void>,
  use: (url: string) => Promise<void>,
): Promise<void> {
  const stop = new AbortController();
  const told = Promise.withResolvers<string>();
  const served = serveWith({
    ...{ port: 0, signal: stop.signal, tell: (line) => told.resolve(line.replace('listening on ', '')) },
    run: async (http, gone) => {
      await run(http, gone);
      return 'ended';
    },
  });
  await use(await told.promise);
  stop.abort();
  await served;
}

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
  let shown = '';
  child.stderr.on('data', (chunk) => (shown += String(chunk)));
  const [status] = (await once(child, 'close')) as [number];
  expect([status, shown]).toEqual([1, expect.stringContaining('does not answer HTTP requests')]);
  expect(shown).toContain("run --request 'GET /'");
});

/** Resolves to the whole answer to a request on a connection of its own. */
async function ask(
  url: string,
  method = 'GET',
): Promise<{ readonly status: number | undefined; readonly body: string }> {
  const asked = request(url, { method, agent: false }).end();
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  return { status: answer.statusCode, body: await text(answer) };
}

test('a component goes on after its answer, and is ended when the client leaves before that', async () => {
  const left = Promise.withResolvers<unknown>();
  const later = Promise.withResolvers<void>();
  let wasGone: boolean | null = null;
  await serving(
    async (http, gone) => {
      http.answer(200, []);
      if (http.pathWithQuery === '/part') return left.resolve(gone.aborted || once(gone, 'abort'));
      http.end([]);
      if (http.pathWithQuery === '/later') return later.resolve();
      await later.promise;
      wasGone = gone.aborted;
    },
    async (url) => {
      await ask(url);
      await ask(`${url}later`);
      expect(wasGone).toBe(false);
      const leaving = request(`${url}part`).end();
      await once(leaving, 'response');
      leaving.on('error', () => undefined).destroy();
      await left.promise;
    },
  );
});

test.each([
  ['GET', 205],
  ['GET', 204],
  ['HEAD', 200],
] as const)('the answer to %s with status %i has no body', async (method, status) => {
  await serving(
    async (http) => {
      const body = http.answer(status, []);
      await body.write(Buffer.from('a body'));
      http.end([]);
    },
    async (url) => expect(await ask(url, method)).toEqual({ status, body: '' }),
  );
});
