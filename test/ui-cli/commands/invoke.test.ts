import { writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterAll, expect, test } from 'vitest';
import { invocationUrl, parseHeader } from '../../../ui-cli/client/invoke.ts';
import { beforeAttempts } from '../../support/attempts.ts';
import { type Control, Home, line, record, startControl } from '../../support/ui-cli.ts';

let control: Control;
let home: Home;
let variables: Record<string, string>;
beforeAttempts(
  async () => {
    control = await startControl();
    home = await Home.make(control);
    variables = { WASMCLOUD_TOKEN: await control.user('ada') };
    await control.handler('swift-otter', 'ada');
  },
  () => control.close(),
);
afterAll(() => control.close());

interface Seen {
  readonly request: IncomingMessage;
  readonly body: Buffer;
}

/** Answers with `body`, resolves with what came. */
function answerOnce(status: number, body: string | Uint8Array): Promise<Seen> {
  return new Promise((resolve) => {
    control.function = async (request, response) => {
      const received = await buffer(request);
      response.writeHead(status, { 'trisiel-invocation': 'i_42', 'content-type': 'text/plain' });
      response.end(body);
      resolve({ request, body: received });
    };
  });
}

const wasmcloud = (words: readonly string[], stdin?: string) =>
  home.wasmcloud(['invoke', 'swift-otter', ...words], { variables, ...(stdin === undefined ? {} : { stdin }) });

test('the body goes to stdout as it is, the rest to stderr', async () => {
  const seen = answerOnce(200, 'raw \u001b[31m bytes');
  const answer = await wasmcloud(['/a/b?c=d']);
  expect(answer).toMatchObject({ status: 0, stdout: 'raw \u001b[31m bytes' });
  expect(answer.stderr).toMatch(/^200 OK in .* ms, invocation i_42\n$/);
  const { request } = await seen;
  expect([request.method, request.url]).toEqual(['GET', '/a/b?c=d']);
  expect(request.headers.host).toMatch(/^swift-otter\.localhost:\d+$/);
});

test('method, headers and a body from argument, file and stdin', async () => {
  let seen = answerOnce(200, '');
  await wasmcloud(['-X', 'put', '-H', 'X-One: 1', '-H', 'X-One: 2', '-d', 'hello']);
  expect((await seen).request.method).toBe('PUT');
  expect((await seen).request.headers['x-one']).toBe('1, 2');
  expect((await seen).body.toString()).toBe('hello');

  const file = join(control.folder, 'body.bin');
  await writeFile(file, new Uint8Array([0, 255, 10]));
  seen = answerOnce(200, '');
  await wasmcloud(['-d', `@${file}`]);
  expect((await seen).request.method).toBe('POST');
  expect([...(await seen).body]).toEqual([0, 255, 10]);

  seen = answerOnce(200, '');
  await wasmcloud(['-d', '-'], 'from stdin');
  expect((await seen).body.toString()).toBe('from stdin');
});

test('an answer of 400 and above is exit status 1', async () => {
  answerOnce(503, 'overloaded');
  expect(await wasmcloud([])).toMatchObject({ status: 1, stdout: 'overloaded' });
});

test('a call that fails shows why it ended and the log lines of that call, on stderr', async () => {
  const failed = record('swift-otter', 'i_42', { status: 500, outcome: 'trapped', gas: 1_234_567, memoryPages: 32 });
  await control.record({ records: [failed], counts: [] });
  await control.write(
    line('swift-otter', 'about to \u001b[31mdivide by 0', { invocation: 'i_42', level: 1, stream: 'stderr' }),
    line('swift-otter', 'of another call', { invocation: 'i_43' }),
  );
  answerOnce(500, 'the function failed');
  const answer = await wasmcloud([]);
  expect(answer).toMatchObject({ status: 1, stdout: 'the function failed' });
  expect(answer.stderr).toMatch(/^v1 ended: trapped, .* gas, 2 MiB of memory$/m);
  expect(answer.stderr).toMatch(/^ {2}\S+ ERROR v1 i_42 \[stderr\] about to \^\[\[31mdivide by 0$/m);
  expect(answer.stderr).not.toContain('of another call');
});

test('--json tells head and body, binary ones in base64', async () => {
  answerOnce(200, new Uint8Array([0xff, 0xfe]));
  const answer = await wasmcloud(['--json']);
  expect(JSON.parse(answer.stdout)).toMatchObject({ status: 200, invocation: 'i_42', bodyBase64: '//4=' });
});

test.each([
  [['POST', '/x'], '-X POST'],
  [['POST'], '-X POST'],
  [['/x', 'DELETE'], '/x -X DELETE'],
])('a method among the arguments is refused with the command that was meant: %j', async (args, hint) => {
  const answer = await wasmcloud(args);
  expect(answer).toMatchObject({ status: 1, stdout: '' });
  expect(answer.stderr).toContain('the method is an option');
  expect(answer.stderr).toContain(hint);
});

test('more arguments than a name and a path are refused, saying where a body goes', async () => {
  const answer = await wasmcloud(['/x', 'body']);
  expect(answer).toMatchObject({ status: 1, stdout: '' });
  expect(answer.stderr).toContain('--data');
});

test('an answer that breaks off is an error, not a short answer', async () => {
  control.function = (_request, response) => {
    response.writeHead(200, { 'content-length': '100' });
    response.write('half');
    setImmediate(() => response.destroy());
  };
  const answer = await wasmcloud([]);
  expect(answer).toMatchObject({ status: 1 });
  expect(answer.stderr).toContain('broke off before its end');
});

test.each(['no colon', ': no name', 'Bad Name: x'])('%s is no header', (text) => {
  expect(() => parseHeader(text)).toThrow('is no header');
});

test('a path is below the URL of the handler, whatever it looks like', () => {
  expect(invocationUrl('http://x.localhost:3003', 'a').href).toBe('http://x.localhost:3003/a');
  expect(invocationUrl('http://localhost:3003/x/', '/a?b').href).toBe('http://localhost:3003/x/a?b');
  expect(invocationUrl('http://x.localhost:3003', '//evil.com/').host).toBe('x.localhost:3003');
  expect(invocationUrl('http://x.localhost:3003', '@evil.com/').host).toBe('x.localhost:3003');
});
