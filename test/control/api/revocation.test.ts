/** A Token that is used while it is revoked, in either order; the last administrator. */
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { queueLimits } from '../../../src/protocol/limits.ts';
import { api, openStream, type Platform, signUp, startPlatform } from '../../support/api.ts';

let platform: Platform;
let ada: string;
let token: string;
let id: string;

beforeAll(async () => {
  platform = await startPlatform();
  ada = await signUp(platform, 'ada');
  await api(platform, ada, 'POST', '/handlers', { name: 'otter' });
});
afterAll(() => platform.close());
beforeEach(async () => {
  const made = (await api(platform, ada, 'POST', '/tokens', { label: 'x' })).body;
  [token, id] = [made.token, made.view.id];
});

const revoke = () => api(platform, ada, 'DELETE', `/tokens/${id}`);

test('requests at the same time are answered or refused; those after the revocation are refused', async () => {
  const ask = async () => (await api(platform, token, 'GET', '/whoami')).status;
  const during = [ask(), ask(), ask()];
  const revoked = revoke();
  during.push(ask(), ask(), ask());
  expect((await revoked).status).toBe(204);
  const after = [ask(), ask(), ask()];
  for (const status of await Promise.all(during)) expect([200, 401]).toContain(status);
  expect(await Promise.all(after)).toEqual([401, 401, 401]);
});

test('a request whose body comes after the revocation changes nothing', async () => {
  const body = JSON.stringify({ name: 'too-late' });
  const headers = {
    authorization: `Bearer ${token}`,
    'content-type': 'application/json',
    'content-length': body.length,
  };
  const request = httpRequest(`${platform.url}/api/v1/handlers`, {
    method: 'POST',
    headers: { ...headers, expect: '100-continue' },
  });
  request.flushHeaders();
  // The server has read the head; its answer comes when it has looked the Token up and the body.
  await once(request, 'continue');
  request.write(body.slice(0, 5));
  await expect
    .poll(async () =>
      (await api(platform, ada, 'GET', '/tokens')).body.tokens.find((one: { id: string }) => one.id === id),
    )
    .toMatchObject({ lastUsedMs: expect.any(Number) });
  expect((await revoke()).status).toBe(204);
  request.end(body.slice(5));
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  expect([response.statusCode, JSON.parse(await text(response)).code]).toEqual([401, 'unauthorized']);
  expect(await platform.handlers.find('too-late')).toBeNull();
});

test('an upload to a queue ends at the batch that comes after the revocation; what was published before is said', async () => {
  const line = `${JSON.stringify({ text: 'x' })}\n`;
  const request = httpRequest(`${platform.url}/api/v1/queues/bulk/messages`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/x-ndjson' },
  });
  const ready = async () => (await api(platform, ada, 'GET', '/queues/bulk')).body.messages?.ready;
  request.write(line.repeat(queueLimits.batch));
  await expect.poll(ready).toBe(queueLimits.batch);
  expect((await revoke()).status).toBe(204);
  request.end(line.repeat(queueLimits.batch));
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const problem = JSON.parse(await text(response));
  expect([response.statusCode, problem.code]).toEqual([401, 'unauthorized']);
  expect(problem.detail).toContain(`the lines before line ${queueLimits.batch + 1} were published`);
  expect(await ready()).toBe(queueLimits.batch);
});

test('an open log stream ends; one that is opened at the same time is refused or ends', async () => {
  const path = '/handlers/otter/logs/stream';
  const open = await openStream(platform, token, path);
  const before = openStream(platform, token, path);
  const revoked = revoke();
  const behind = openStream(platform, token, path);
  const settled = await Promise.allSettled([before, behind]);
  expect((await revoked).status).toBe(204);
  expect(await open.closed).toMatchObject({ code: 4401 });
  for (const one of settled)
    if (one.status === 'fulfilled') expect(await one.value.closed).toMatchObject({ code: 4401 });
    else expect(one.reason).toMatchObject({ status: 401 });
  await expect(openStream(platform, token, path)).rejects.toMatchObject({ status: 401 });
});

test('revoked twice at once, it is revoked once', async () => {
  const statuses = (await Promise.all([revoke(), revoke(), revoke()])).map(({ status }) => status);
  expect(statuses.sort()).toEqual([204, 404, 404]);
});

test('the last administrator cannot suspend himself or stop being one; of two who do it at once, one stays', async () => {
  const bob = await signUp(platform, 'bob');
  const change = (who: string, name: string, body: object) => api(platform, who, 'PATCH', `/users/${name}`, body);
  for (const body of [{ suspended: true }, { admin: false }])
    expect((await change(ada, 'ada', body)).body).toMatchObject({ status: 409, code: 'conflict' });
  expect((await api(platform, ada, 'GET', '/whoami')).body.admin).toBe(true);
  expect((await change(ada, 'bob', { admin: true })).status).toBe(200);
  const both = await Promise.all([change(ada, 'ada', { suspended: true }), change(bob, 'bob', { suspended: true })]);
  expect(both.map(({ status }) => status).sort()).toEqual([200, 409]);
});
