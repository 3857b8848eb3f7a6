import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PlatformError } from '../../../src/protocol/errors.ts';
import { Client } from '../../../ui-cli/client/client.ts';
import { errorLines } from '../../../ui-cli/text/error-lines.ts';

let server: Server;
let client: Client;
let answer: RequestListener;
beforeAll(async () => {
  server = createServer((request, response) => answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  client = new Client({ server: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, token: 'secret' });
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

async function failure(listener: RequestListener): Promise<PlatformError> {
  answer = listener;
  const error = await client.handlers().catch((caught: unknown) => caught);
  if (!(error instanceof PlatformError)) throw new Error(`no PlatformError: ${error}`);
  return error;
}

test("the server's own words come through: code, message, hints, details, request id", async () => {
  const error = await failure((_request, response) => {
    response.writeHead(409, { 'content-type': 'application/problem+json', 'retry-after': '7' });
    response.end(
      JSON.stringify({
        code: 'conflict',
        detail: 'v1 is live',
        hints: ['try v2'],
        details: ['a'],
        id: 'q1',
        status: 409,
      }),
    );
  });
  expect(error).toMatchObject({ code: 'conflict', message: 'v1 is live', retryAfterSeconds: 7 });
  expect(errorLines(error)).toEqual([
    'error: v1 is live',
    '       a',
    'hint: try v2',
    'hint: try again in 7 s',
    'request: q1',
  ]);
});

test('foreign text in an error cannot steer the terminal', async () => {
  const error = await failure((_request, response) => {
    response.writeHead(400).end(JSON.stringify({ code: 'bad_request', detail: '\u001b]0;owned\u0007' }));
  });
  expect(errorLines(error)[0]).toBe('error: ^[]0;owned^G');
});

test.each([
  ['HTML', 200, '<html>', 'unavailable'],
  ['another shape', 200, '{"handlers":[{"name":1}]}', 'unavailable'],
  ['an empty answer', 200, '', 'unavailable'],
  ['a proxy error page', 502, '<h1>Bad gateway</h1>', 'unavailable'],
  ['an unknown code', 418, '{"code":"teapot"}', 'bad_request'],
  ['a bare 401', 401, 'no', 'unauthorized'],
])('%s instead of an answer is told as such', async (_name, status, body, code) => {
  const error = await failure((_request, response) => response.writeHead(status).end(body));
  expect(error.code).toBe(code);
  expect(error.message).toContain('127.0.0.1');
});

test('a redirect is not followed with the token', async () => {
  let asked = 0;
  const error = await failure((_request, response) => {
    asked += 1;
    response.writeHead(302, { location: '/elsewhere' }).end();
  });
  expect(asked).toBe(1);
  expect(error.hints[0]).toContain('WASMCLOUD_SERVER');
});

test('an answer that breaks off is a failed connection', async () => {
  const error = await failure((_request, response) => {
    response.writeHead(200, { 'content-length': '1000' });
    response.write('{"handlers":');
    setImmediate(() => response.destroy());
  });
  expect(error.code).toBe('unavailable');
});

test('a cancelled request throws the reason of its signal, not a coded error', async () => {
  answer = () => undefined;
  const abort = new AbortController();
  const asked = client.handlers({}, { signal: abort.signal });
  abort.abort(new Error('esc'));
  await expect(asked).rejects.toThrow('esc');
});

test('names are escaped into the path', async () => {
  const seen: string[] = [];
  answer = (request, response) => {
    seen.push(request.url ?? '');
    response.end('{}');
  };
  await client.unsetVariable('a/b', '../c').catch(() => undefined);
  expect(seen).toEqual(['/api/v1/handlers/a%2Fb/env/..%2Fc']);
});

test('a handler whose name could steer the terminal is no answer of ours', async () => {
  const handler = {
    name: '\u001b[2J',
    owner: 'a',
    url: 'u',
    gitUrl: 'g',
    deployBranch: null,
    state: 'empty',
    version: null,
    createdMs: 0,
    deployedMs: null,
  };
  const error = await failure((_request, response) => response.end(JSON.stringify({ handlers: [handler] })));
  expect(error.message).toContain('handlers.0.name');
});
