/** Handshakes as callers of a custom domain make them, with real TLS servers. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer as createTcpServer, type Server } from 'node:net';
import { createServer, getCACertificates, setDefaultCACertificates } from 'node:tls';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { frontProbe } from '../../../src/control/domains/certificate.ts';
import { domainLimits } from '../../../src/protocol/domains.ts';
import { type Certificates, makeCertificates } from '../../support/certificates.ts';

let known: Certificates;
let unknown: Certificates;
const servers: Server[] = [];
const usual = getCACertificates('default');
beforeAll(() => {
  known = makeCertificates();
  unknown = makeCertificates();
  setDefaultCACertificates([...usual, known.ca]);
});
afterAll(() => {
  setDefaultCACertificates(usual);
  for (const server of servers) server.close();
});

async function urlOf(server: Server): Promise<string> {
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Returns what is found for a domain at a front that does this with a server name. */
async function found(front: Server, domain = 'good.example') {
  return frontProbe(await urlOf(front))?.(domain);
}

test('a certificate of the domain, signed by an authority that is known, is trusted', async () => {
  const names: unknown[] = [];
  const front = createServer({
    ...known,
    SNICallback: (name, done) => {
      names.push(name);
      done(null);
    },
  });
  expect(await found(front)).toEqual({ kind: 'trusted' });
  expect(names).toEqual(['good.example']);
});

test('a certificate of another name, or of an authority that nobody knows, is not trusted', async () => {
  expect(await found(createServer(known), 'api.example.com')).toEqual({
    kind: 'refused',
    problem: 'the certificate shown is that of another name',
  });
  expect(await found(createServer(unknown))).toEqual({
    kind: 'refused',
    problem: expect.stringContaining('certificate'),
  });
});

test('a front without a certificate for the domain is told as it says it', async () => {
  const front = createServer({ ...known, SNICallback: (_name, done) => done(new Error('none')) });
  const refused = { kind: 'refused', problem: expect.stringMatching(/./) };
  expect(await found(front)).toEqual(refused);
  // What Caddy sends: the alert internal_error (RFC 8446 section 6.2).
  const alert = Buffer.from([21, 3, 3, 0, 2, 2, 80]);
  expect(await found(createTcpServer((socket) => socket.once('data', () => socket.end(alert))))).toEqual({
    kind: 'refused',
    problem: expect.stringContaining('alert internal error'),
  });
  expect(await found(createTcpServer((socket) => socket.once('data', () => socket.destroy())))).toEqual(refused);
  expect(
    await found(createTcpServer((socket) => socket.once('data', () => socket.end('HTTP/1.1 400\r\n\r\n')))),
  ).toEqual(refused);
});

test('a front that keeps silent is left after a while', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  try {
    const silent = createTcpServer((socket) =>
      socket.once('data', () => vi.advanceTimersByTime(domainLimits.handshakeMs)).on('error', () => {}),
    );
    expect(await found(silent)).toEqual({ kind: 'refused', problem: 'no answer within 10 s' });
  } finally {
    vi.useRealTimers();
  }
});

test('of a front that is not reached nothing is known, and without HTTPS nothing is asked', async () => {
  const gone = createTcpServer();
  const url = await urlOf(gone);
  await new Promise((resolve) => gone.close(resolve));
  expect(await frontProbe(url)?.('good.example')).toMatchObject({ kind: 'unknown' });
  expect(frontProbe('http://functions.example')).toBeNull();
  expect(frontProbe(null)).toBeNull();
});
