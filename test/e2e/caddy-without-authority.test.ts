/**
 * Certificates that cannot be had: real Caddy asks an authority that refuses, fails or never answers. Hosts whose
 * certificates it has already are served on, and the authority hears of no host but those that may have one.
 */
import { once } from 'node:events';
import { cp } from 'node:fs/promises';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DomainView } from '../../src/protocol/domains.ts';
import { type Caddy, freePorts, startCaddy, withoutCaddy } from '../support/caddy.ts';
import { DnsServer } from '../support/dns-server.ts';
import {
  api,
  createUser,
  makeRepo,
  push,
  removeTemporaryFolders,
  startPlatform,
  type TestPlatform,
  type TestUser,
} from '../support/e2e.ts';
import { printing } from '../support/e2e-guests.ts';

const consoleHost = 'console.example';
const base = 'functions.example';

if (withoutCaddy !== null) console.log(`skipped: ${withoutCaddy}`);

/** What the authority does with a request. */
const manners = {
  refuses: (response: ServerResponse) =>
    response
      .writeHead(429, { 'content-type': 'application/problem+json', 'retry-after': '3600' })
      .end('{"type":"urn:ietf:params:acme:error:rateLimited","detail":"too many","status":429}'),
  fails: (response: ServerResponse) => response.writeHead(500).end('<h1>no</h1>'),
  hangs: () => {},
} as const;
const mannersOfIt = ['fails', 'hangs', 'refuses'] as const satisfies readonly (keyof typeof manners)[];
/** A proven domain of a user, for which the authority is asked while it has this manner. */
const ownHost = (manner: keyof typeof manners): string => `${manner}.example.org`;

describe.skipIf(withoutCaddy !== null)('without a certificate authority', () => {
  let dns: DnsServer;
  let platform: TestPlatform;
  let authority: Server;
  let manner: keyof typeof manners = 'refuses';
  let asked = 0;
  let caddy: Caddy;
  let first: Caddy;
  let ports: readonly number[];
  let ada: TestUser;

  beforeAll(async () => {
    dns = await DnsServer.start();
    ports = await freePorts(2);
    platform = await startPlatform({
      TRISIEL_DOMAIN: base,
      TRISIEL_URL: `https://${consoleHost}:${ports[1]}`,
      // Control makes handshakes with this address, as callers do.
      TRISIEL_RUN_URL: `https://localhost:${ports[1]}`,
      TRISIEL_TRUSTED_PROXIES: '127.0.0.1,::1',
      TRISIEL_DNS: dns.address,
    });
    ada = await createUser(platform, 'ada');
    await push(platform, ada, await makeRepo({ 'a.wasm': printing('hello\n') }), 'otter');
    authority = createServer((_request, response) => {
      asked += 1;
      manners[manner](response);
    }).listen(0, '127.0.0.1');
    await once(authority, 'listening');

    const [httpPort = 0, httpsPort = 0] = ports;
    const { controlUrl, runUrl } = platform;
    const options = { httpPort, httpsPort, console: consoleHost, controlUrl, runUrl };
    first = await startCaddy(options);
    expect(await get(`otter.${base}`)).toBe(200);
    await first.stop();
    // As if the authority had given them before it went away.
    const { port } = authority.address() as AddressInfo;
    const kept = join(first.folder, 'caddy/certificates');
    await cp(join(kept, 'local'), join(kept, `127.0.0.1-${port}-directory`), { recursive: true });
    caddy = await startCaddy({
      ...options,
      folder: first.folder,
      authority: `http://127.0.0.1:${port}/directory`,
    });
  });
  afterAll(async () => {
    await caddy?.stop();
    await platform?.stop();
    authority?.closeAllConnections();
    authority?.close();
    dns?.close();
    await removeTemporaryFolders();
  });

  const open = (host: string): TLSSocket =>
    connect({ host: '127.0.0.1', port: ports[1]!, servername: host, ca: first.ca, ALPNProtocols: ['http/1.1'] });

  /** Resolves when a handshake is over; rejects as it fails. */
  function secure(host: string): Promise<TLSSocket> {
    const socket = open(host);
    return new Promise((resolve, reject) => {
      socket.once('secureConnect', () => resolve(socket));
      socket.once('error', reject);
    });
  }

  async function get(host: string, path = '/'): Promise<number> {
    const socket = await secure(host);
    return new Promise((resolve, reject) => {
      request({ createConnection: () => socket, path, headers: { host: `${host}:${ports[1]}` } }, (response) => {
        response.resume().once('end', () => resolve(response.statusCode ?? 0));
      })
        .once('error', reject)
        .end();
    });
  }

  test('of a host that may have none the authority does not hear', async () => {
    for (const host of ['unknown.example', `none.${base}`, 'xn--pi-jmc.example.org'])
      await expect(secure(host), host).rejects.toThrow();
    expect(asked).toBe(0);
  });

  test.each(mannersOfIt)('an authority that %s keeps one host waiting, and none of the others', async (now) => {
    manner = now;
    const before = asked;
    const reached = once(authority, 'request');
    const made = await api(platform, ada, 'POST', '/handlers/otter/domains', { domain: ownHost(now) });
    const { cname } = (made.body as { domain: DomainView }).domain;
    dns.cnames.set(cname.name, cname.value);
    // The platform is the first caller, and tells the owner what it was shown.
    const checking = api(platform, ada, 'POST', `/handlers/otter/domains/${ownHost(now)}/check`);
    await reached;
    let served = 0;
    // One name for each: what is tried for it goes on for minutes.
    const waiting = Array.from({ length: 20 }, () =>
      open(ownHost(now))
        .on('error', () => {})
        .once('secureConnect', () => {
          served += 1;
        }),
    );
    expect(await get(`otter.${base}`)).toBe(200);
    expect(await get(consoleHost, '/status')).toBe(200);
    await checking;
    const { body } = await api(platform, ada, 'GET', '/handlers/otter/domains');
    const shown = (body as { domains: readonly DomainView[] }).domains.find(({ domain }) => domain === ownHost(now));
    expect(shown).toMatchObject({
      state: 'verified',
      certificate: { problem: expect.stringMatching(/alert internal error|no answer within/) },
    });
    expect(served).toBe(0);
    expect(asked - before, 'questions for 20 callers').toBeLessThan(20);
    for (const socket of waiting) socket.destroy();
  });
});
