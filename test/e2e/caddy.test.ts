/**
 * The platform behind real Caddy with deploy/caddy/Caddyfile: a push, calls over HTTP/1.1 and HTTP/2, a log tail, a
 * domain of a user; certificates only for what is served. Caddy's own authority signs, so no other machine is asked.
 */
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DomainView } from '../../src/protocol/domains.ts';
import { browserMissing, openBrowser } from '../support/browser.ts';
import { type Caddy, freePorts, startCaddy, withoutCaddy } from '../support/caddy.ts';
import { DnsServer } from '../support/dns-server.ts';
import {
  api,
  createUser,
  removeTemporaryFolders,
  startPlatform,
  type TestPlatform,
  type TestUser,
} from '../support/e2e.ts';
import { fixture, variables } from '../support/e2e-guests.ts';
import { clientAddress, forgedFields, HttpsFront } from '../support/https-front.ts';

const consoleHost = 'console.example';
const base = 'functions.example';
/** Variables that the function otter answers with. */
const shown = [
  'REMOTE_ADDR',
  'REQUEST_SCHEME',
  'HTTPS',
  'SERVER_NAME',
  'SERVER_PORT',
  'QUERY_STRING',
  'HTTP_FORWARDED',
];

if (withoutCaddy !== null) console.log(`skipped: ${withoutCaddy}`);
if (browserMissing !== null) console.log(`skipped: HTTP/3: ${browserMissing}`);

describe.skipIf(withoutCaddy !== null)('behind Caddy', () => {
  let dns: DnsServer;
  let platform: TestPlatform;
  let caddy: Caddy;
  let ada: TestUser;
  let front: HttpsFront;
  let httpPort: number;
  let port: number;

  beforeAll(async () => {
    dns = await DnsServer.start();
    [httpPort, port] = (await freePorts(2)) as [number, number];
    platform = await startPlatform({
      TRISIEL_DOMAIN: base,
      TRISIEL_URL: `https://${consoleHost}:${port}`,
      TRISIEL_RUN_URL: `https://${base}:${port}`,
      TRISIEL_TRUSTED_PROXIES: '127.0.0.1,::1',
      TRISIEL_DNS: dns.address,
    });
    const { controlUrl, runUrl } = platform;
    // The URL of the functions names the public host; the port is that of the runners.
    caddy = await startCaddy({ httpPort, httpsPort: port, console: consoleHost, controlUrl, runUrl });
    ada = await createUser(platform, 'ada');
    front = new HttpsFront({ port, console: consoleHost, tls: { ca: caddy.ca }, gitSettings: [] });
    // git takes the variable before its configuration.
    process.env.GIT_SSL_CAINFO = caddy.caFile;
  });
  afterAll(async () => {
    await caddy?.stop();
    await platform?.stop();
    dns?.close();
    await removeTemporaryFolders();
  });

  test('a push over HTTPS deploys, by HTTP/1.1 and by HTTP/2, and is told the public URL', async () => {
    expect(await front.push(ada, 'otter', variables(shown), 'HTTP/2')).toContain(`https://otter.${base}:${port}`);
    await front.push(ada, 'badger', await fixture('cwa/log.wasm'), 'HTTP/1.1');
  });

  test('functions answer over HTTP/1.1 and HTTP/2, HTTP/3 is announced, and they know that it was HTTPS', async () => {
    const first = await front.get(`otter.${base}`, '/a?b=c');
    expect(first.status).toBe(200);
    expect(first.headers['alt-svc']).toContain(`h3=":${port}"`);
    expect(first.body).toContain('HTTPS=on');
    expect(first.body).toContain('REQUEST_SCHEME=https');
    const second = await front.getHttp2(`otter.${base}`, '/a?b=c');
    expect(second).toMatchObject({ status: 200, body: expect.stringContaining('HTTPS=on') });
    expect(second.body).toContain('QUERY_STRING=b=c');
  });

  test.skipIf(browserMissing !== null)('functions answer a browser over HTTP/3', async () => {
    const host = `otter.${base}`;
    const socket = await front.secure(host);
    const key = socket.getPeerX509Certificate()?.publicKey.export({ type: 'spki', format: 'der' });
    socket.destroy();
    const browser = await openBrowser([
      ...['--enable-quic', `--origin-to-force-quic-on=${host}:${port}`, '--host-resolver-rules=MAP * 127.0.0.1'],
      // Over QUIC Chromium believes no authority that is new to it; a key that it is shown it does.
      `--ignore-certificate-errors-spki-list=${createHash('sha256').update(key!).digest('base64')}`,
    ]);
    try {
      const { value } = await browser.run<{ readonly protocol: string; readonly text: string }>(
        `https://${host}:${port}/a?b=c`,
        `({ protocol: performance.getEntriesByType('navigation')[0].nextHopProtocol, text: document.body.innerText })`,
      );
      expect(value.protocol).toBe('h3');
      expect(value.text).toContain('HTTPS=on');
      expect(value.text).toContain('QUERY_STRING=b=c');
    } finally {
      await browser.close();
    }
  });

  test("the guest and the audit see the client's address, whatever the client writes into forwarding fields", async () => {
    const { body } = await front.get(`otter.${base}`, '/', forgedFields);
    expect(body).toContain(`REMOTE_ADDR=${clientAddress}`);
    expect(body).toContain('HTTPS=on');
    expect(body).not.toContain('192.0.2.66');
    await front.get(consoleHost, '/api/v1/whoami', { authorization: `Bearer ${ada.token}`, ...forgedFields });
    expect((await front.get(consoleHost, '/metrics', forgedFields)).status).toBe(403);
    expect((await front.get(consoleHost, '/tls/ask?domain=functions.example')).status).toBe(403);
  });

  test('the log is tailed over a WebSocket', async () => {
    const line = await front.firstLine(ada, 'badger', async () => {
      expect((await front.get(`badger.${base}`)).status).toBe(200);
    });
    expect(line).not.toBe('');
  });

  test('a domain of a user gets its certificate once it is proven, and none after its removal from the platform', async () => {
    const made = await api(platform, ada, 'POST', '/handlers/otter/domains', { domain: 'api.example.org' });
    const { domain } = made.body as { domain: DomainView };
    await expect(front.secure('api.example.org')).rejects.toThrow(/alert/i);
    dns.cnames.set(domain.cname.name, domain.cname.value);
    const checked = await api(platform, ada, 'POST', '/handlers/otter/domains/api.example.org/check');
    expect(checked.body).toMatchObject({ domain: { state: 'verified' } });
    const { status, body } = await front.get('api.example.org', '/x');
    expect(status).toBe(200);
    expect(body).toContain('SERVER_NAME=api.example.org');
    await api(platform, ada, 'DELETE', '/handlers/otter/domains/api.example.org');
    expect(await front.get('api.example.org', '/otter/')).toMatchObject({
      status: 404,
      body: expect.stringContaining('handler_not_found'),
    });
  });

  test('no certificate is made for an unknown host, an unknown handler, or an address', async () => {
    for (const host of [
      'unknown.example',
      `none.${base}`,
      `a.otter.${base}`,
      `${'a'.repeat(60)}.${base}`,
      'xn--pple-43d.com',
    ])
      await expect(front.secure(host), host).rejects.toThrow(/alert/i);
    expect(caddy.log.join('\n')).not.toContain('"identifier":"unknown.example"');
  });

  test('plain HTTP is redirected', async () => {
    const response = await fetch(`http://127.0.0.1:${httpPort}/a?b=c`, { redirect: 'manual' });
    expect(response.status).toBe(308);
    expect(response.headers.get('location')).toMatch(/^https:.*\/a\?b=c$/);
  });
});
