/** A function under domains of its owner: real DNS packets, real runners; renamed, transferred, deleted, restarted. */
import { readFile } from 'node:fs/promises';
import { afterAll, expect } from 'vitest';
import type { DomainView } from '../../src/protocol/domains.ts';
import { beforeAttempts, story } from '../support/attempts.ts';
import { DnsServer } from '../support/dns-server.ts';
import {
  api,
  call,
  createUser,
  type FunctionAnswer,
  makeRepo,
  push,
  removeTemporaryFolders,
  startPlatform,
  type TestPlatform,
  type TestUser,
} from '../support/e2e.ts';

let dns: DnsServer;
let platform: TestPlatform;
let ada: TestUser;
let bob: TestUser;
beforeAttempts(async () => {
  await end();
  dns = await DnsServer.start();
  platform = await startPlatform({ TRISIEL_DNS: dns.address, TRISIEL_DOMAIN: 'functions.example' });
  ada = await createUser(platform, 'ada');
  bob = await createUser(platform, 'bob');
  const echo = await readFile(new URL('../../fixtures/guests/cwa/echo.wasm', import.meta.url));
  for (const [user, handler] of [
    [ada, 'otter'],
    [bob, 'badger'],
  ] as const)
    expect((await push(platform, user, await makeRepo({ 'a.wasm': echo }), handler)).status).toBe(0);
});
afterAll(async () => {
  await end();
  await removeTemporaryFolders();
});

async function end(): Promise<void> {
  dns?.close();
  await platform?.stop();
}
const next = story();

const at = (host: string, path = '/a?b=c'): Promise<FunctionAnswer> =>
  call(platform, 'unused', { path, headers: { host } });
const ask = async (domain: string) =>
  (await fetch(`${platform.controlUrl}/tls/ask?domain=${encodeURIComponent(domain)}`)).status;

async function added(user: TestUser, handler: string, domain: string): Promise<DomainView> {
  const { status, body } = await api(platform, user, 'POST', `/handlers/${handler}/domains`, { domain });
  expect(status, JSON.stringify(body)).toBe(201);
  return (body as { domain: DomainView }).domain;
}

async function checked(user: TestUser, handler: string, domain: string): Promise<string> {
  const { body } = await api(platform, user, 'POST', `/handlers/${handler}/domains/${domain}/check`);
  return (body as { domain?: DomainView; code?: string }).domain?.state ?? (body as { code: string }).code;
}

next(
  'a function is served under a domain once its TXT record is there, and a proxy may get a certificate for it',
  async () => {
    const { txt, state } = await added(ada, 'otter', 'api.example.com');
    expect(state).toBe('pending');
    expect(await at('api.example.com')).toMatchObject({
      status: 404,
      body: expect.stringContaining('handler_not_found'),
    });
    expect(await ask('api.example.com')).toBe(404);
    dns.txts.set(txt.name, txt.value);
    expect(await checked(ada, 'otter', 'api.example.com')).toBe('verified');
    const answer = await at('api.example.com');
    expect(answer.status).toBe(200);
    expect(await ask('api.example.com')).toBe(200);
    expect(await ask('otter.functions.example')).toBe(200);
    expect(await ask('none.functions.example')).toBe(404);
  },
);

next('a CNAME record proves an international domain, which is known by its ASCII form', async () => {
  const { domain, cname } = await added(ada, 'otter', 'bücher.example');
  expect(domain).toBe('xn--bcher-kva.example');
  dns.cnames.set(cname.name, cname.value);
  expect(await checked(ada, 'otter', encodeURIComponent('BÜCHER.example'))).toBe('verified');
  expect((await at('xn--bcher-kva.example')).status).toBe(200);
});

next('somebody else gets neither the domain, nor a path of another function under it', async () => {
  await added(bob, 'badger', 'api.example.com');
  expect(await checked(bob, 'badger', 'api.example.com')).toBe('pending');
  const answer = await at('unproven.example', '/badger/');
  expect(answer).toMatchObject({ status: 404, body: expect.stringContaining('handler_not_found') });
  expect((await at('functions.example', '/badger/')).status).toBe(200);
});

next('the domain follows its handler to another name and another owner, without a redirect', async () => {
  expect((await api(platform, ada, 'PATCH', '/handlers/otter', { name: 'heron' })).status).toBe(200);
  expect((await at('api.example.com')).status).toBe(200);
  expect((await api(platform, ada, 'POST', '/handlers/heron/transfer', { to: 'bob' })).status).toBe(201);
  expect((await api(platform, bob, 'POST', '/transfers/heron/accept')).status).toBe(200);
  expect((await at('api.example.com')).status).toBe(200);
  const { body } = await api(platform, bob, 'GET', '/handlers/heron/domains');
  expect(body).toMatchObject({ domains: [{ domain: 'api.example.com' }, { domain: 'xn--bcher-kva.example' }] });
  expect((await api(platform, ada, 'GET', '/handlers/heron/domains')).status).toBe(404);
});

next('the domain ends with its handler, comes back with it, and is still there after a restart', async () => {
  expect((await api(platform, bob, 'DELETE', '/handlers/heron')).status).toBe(204);
  expect((await at('api.example.com')).status).toBe(404);
  expect(await ask('api.example.com')).toBe(404);
  expect((await api(platform, bob, 'POST', '/handlers/heron/restore')).status).toBe(200);
  expect((await at('api.example.com')).status).toBe(200);
  await platform.stop();
  platform = await startPlatform({ ...platform.env, TRISIEL_DATA: platform.dataFolder });
  expect((await at('api.example.com')).status).toBe(200);
  expect((await api(platform, bob, 'DELETE', '/handlers/heron/domains/api.example.com')).status).toBe(204);
  expect((await at('api.example.com')).status).toBe(404);
});
