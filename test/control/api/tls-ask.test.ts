import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { api, type Platform, signUp, startPlatform } from '../../support/api.ts';
import { TestDns } from '../../support/domains.ts';

let platform: Platform;
const dns = new TestDns();
const askToken = 'ask-me-0123456789';

beforeAll(async () => {
  platform = await startPlatform({ dns, askToken });
  const ada = await signUp(platform, 'ada');
  await api(platform, ada, 'POST', '/handlers', { name: 'otter' });
  const { body } = await api(platform, ada, 'POST', '/handlers/otter/domains', { domain: 'api.example.com' });
  dns.prove(body.domain);
  const checked = await api(platform, ada, 'POST', '/handlers/otter/domains/api.example.com/check');
  expect(checked.body.domain.state).toBe('verified');
  await api(platform, ada, 'POST', '/handlers/otter/domains', { domain: 'pending.example.com' });
});
afterAll(() => platform.close());

const ask = (query: string, headers: Readonly<Record<string, string>> = {}) =>
  fetch(`${platform.url}/tls/ask${query}`, { headers });

describe('a proxy that asks whether it may get a certificate', () => {
  test('hears yes for a verified domain only', async () => {
    expect((await ask('?domain=api.example.com')).status).toBe(200);
    for (const domain of ['pending.example.com', 'other.example.com', 'xn--80ak6aa92e.com'])
      expect((await ask(`?domain=${domain}`)).status, domain).toBe(404);
  });

  test('that asks for rubbish is answered 4xx', async () => {
    for (const query of [
      ...['', '?domain=', '?domain', '?domain=a&domain=api.example.com', '?domain[]=api.example.com', '?domain=%00'],
      ...['?domain=..', '?domain=*.example.com', `?domain=${'a'.repeat(8_000)}`, '?domain=%ff%fe', "?domain='--"],
      ...['?domain=127.0.0.1', '?domain=api.example.com%0d%0aset-cookie:x', '?domain=api.example.com/'],
    ]) {
      const { status } = await ask(query);
      expect([400, 404], query.slice(0, 60)).toContain(status);
    }
  });

  test('is on this machine, or has the token', async () => {
    const elsewhere = { 'x-forwarded-for': '192.0.2.1' };
    expect((await ask('?domain=api.example.com', elsewhere)).status).toBe(403);
    expect((await ask(`?domain=api.example.com&token=${askToken}x`, elsewhere)).status).toBe(403);
    expect((await ask(`?domain=api.example.com&token=${askToken}`, elsewhere)).status).toBe(200);
    const authorization = `Bearer ${askToken}`;
    expect((await ask('?domain=api.example.com', { ...elsewhere, authorization })).status).toBe(200);
    expect((await ask('?domain=other.example.com', { ...elsewhere, authorization })).status).toBe(404);
    expect((await ask('?domain=api.example.com', { forwarded: 'for=192.0.2.1' })).status).toBe(403);
  });
});
