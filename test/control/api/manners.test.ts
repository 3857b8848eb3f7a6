/** What every operation does alike: validators, preconditions, preferences, limits told in headers. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Answer, type Platform, signUp, startPlatform } from '../../support/api.ts';

let platform: Platform;
let ada: string;

beforeAll(async () => {
  platform = await startPlatform();
  ada = await signUp(platform, 'ada');
  const { user } = (await platform.accounts.actorOfToken(ada))!;
  await platform.handlers.create({ name: 'otter', ownerId: user.id });
});
afterAll(() => platform.close());

async function ask(
  method: string,
  path: string,
  headers: Record<string, string> = {},
  body?: unknown,
): Promise<Answer> {
  const response = await fetch(`${platform.url}/api/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${ada}`, 'content-type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === '' ? null : JSON.parse(text) };
}

const etag = async (path: string) => (await ask('GET', path)).headers.get('etag')!;
const branch = (name: string) => ({ deployBranch: name });

test('an answer to GET has an ETag, and is not sent again to a reader that has it', async () => {
  const tag = await etag('/handlers/otter');
  expect(tag).toMatch(/^"[\w-]{22}"$/);
  expect(await etag('/handlers/otter')).toBe(tag);
  for (const given of [tag, `W/${tag}`, `"x", ${tag}`, '*'])
    expect(await ask('GET', '/handlers/otter', { 'if-none-match': given }), given).toMatchObject({
      status: 304,
      body: null,
    });
  expect((await ask('GET', '/handlers/otter', { 'if-none-match': '"x"' })).status).toBe(200);
});

test('a change under If-Match is made once: the second of two that read the same is refused', async () => {
  const tag = await etag('/handlers/otter');
  const [one, two] = await Promise.all(
    ['a', 'b'].map((name) => ask('PATCH', '/handlers/otter', { 'if-match': tag }, branch(name))),
  );
  expect([one!.status, two!.status].sort()).toEqual([200, 412]);
  const [won, lost] = one!.status === 200 ? [one!, two!] : [two!, one!];
  expect(lost.body).toMatchObject({ code: 'precondition_failed', status: 412 });
  expect((await ask('GET', '/handlers/otter')).body).toEqual(won.body);
  expect(won.headers.get('etag')).toBe(await etag('/handlers/otter'));
  const weak = `W/${await etag('/handlers/otter')}`;
  expect((await ask('PATCH', '/handlers/otter', { 'if-match': weak }, branch('c'))).status).toBe(412);
  expect((await ask('PATCH', '/handlers/otter', { 'if-match': '*' }, branch('c'))).status).toBe(200);
});

test('If-Match holds for PUT and DELETE, and of something that is not there', async () => {
  const path = '/handlers/otter/env/KEY';
  expect((await ask('PUT', path, { 'if-match': '*' }, { value: 'x' })).status).toBe(412);
  expect((await ask('GET', path)).status).toBe(404);
  expect((await ask('PUT', path, {}, { value: 'x' })).status).toBe(200);
  expect((await ask('DELETE', path, { 'if-match': '"x"' })).status).toBe(412);
  expect((await ask('DELETE', path, { 'if-match': await etag(path) })).status).toBe(204);
  expect((await ask('PATCH', '/handlers/nobody', { 'if-match': '*' }, branch('a'))).status).toBe(412);
});

test('return=minimal leaves out what the caller knows, and nothing that is shown once', async () => {
  const prefer = { prefer: 'respond-async, return=minimal' };
  const changed = await ask('PATCH', '/handlers/otter', prefer, branch('d'));
  expect(changed).toMatchObject({ status: 204, body: null });
  expect(changed.headers.get('preference-applied')).toBe('return=minimal');
  expect(changed.headers.get('etag')).toBe(await etag('/handlers/otter'));
  const token = await ask('POST', '/tokens', prefer, { label: 'x' });
  expect(token.status).toBe(201);
  expect(token.body.token).toMatch(/^tr_/);
  expect((await ask('PATCH', '/handlers/otter', { prefer: 'return=representation' }, branch('e'))).status).toBe(200);
});

test('answers say how many requests at once are left', async () => {
  const { headers } = await ask('GET', '/whoami');
  expect(headers.get('ratelimit-policy')).toBe('"user";q=32;qu="concurrent-requests"');
  expect(headers.get('ratelimit')).toBe('"user";r=31');
});
