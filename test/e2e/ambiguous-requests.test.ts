/** Requests to control that two readers may read differently: refused at each of its doors, in the real process. */
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  api,
  createUser,
  removeTemporaryFolders,
  startPlatform,
  type TestPlatform,
  type TestUser,
} from '../support/e2e.ts';

let platform: TestPlatform;
let ada: TestUser;
beforeAll(async () => {
  platform = await startPlatform();
  ada = await createUser(platform, 'ada');
});
afterAll(async () => {
  await platform.stop();
  await removeTemporaryFolders();
});

function ask(...lines: readonly string[]): Promise<string> {
  const { hostname, port } = new URL(platform.controlUrl);
  const socket = connect({ host: hostname, port: Number(port) });
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  return text(socket);
}

it.each(['/', '/healthz', '/docs', '/api/v1/handlers', '/otter.git/info/refs?service=git-receive-pack', '/nodes'])(
  '%s is not answered to a request with two hosts, or two lengths of its body',
  async (path) => {
    expect(await ask(`GET ${path} HTTP/1.1`, 'Host: a', 'Host: b', 'Connection: close')).toMatch(/^HTTP\/1\.1 400 /);
    const coded = ['Transfer-Encoding: gzip, chunked', 'Connection: close'];
    expect(await ask(`POST ${path} HTTP/1.1`, 'Host: a', ...coded)).toMatch(/^HTTP\/1\.1 (400|501) /);
    expect(await ask(`GET ${path} HTTP/1.1`, 'Host: a', 'Connection: close')).not.toMatch(/^HTTP\/1\.1 (400|501) /);
  },
);

it('a body that names a field twice changes nothing', async () => {
  const answer = await fetch(`${platform.controlUrl}/api/v1/handlers`, {
    method: 'POST',
    headers: { authorization: `Bearer ${ada.token}`, 'content-type': 'application/json' },
    body: '{"name":"otter","n\\u0061me":"heron"}',
  });
  expect(answer.status).toBe(400);
  expect(await answer.json()).toMatchObject({
    code: 'bad_request',
    detail: 'the body is ambiguous: the field "name" is there twice',
  });
  expect((await api(platform, ada, 'GET', '/handlers')).body).toMatchObject({ handlers: [] });
});
