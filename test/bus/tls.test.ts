/** NATS with TLS: nothing is said to a server whose certificate is not right, and the start says what is wrong. */
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { TLSSocket } from 'node:tls';
import { afterEach, expect, test } from 'vitest';
import { Bus } from '../../src/bus/bus.ts';
import { makeCertificates } from '../support/certificates.ts';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** Starts a server as nats-server begins, with TLS or without; returns its port, and what clients have said so far. */
async function serverWith(tls: { readonly key: string; readonly cert: string } | null) {
  const said: string[] = [];
  const server = createServer((socket) => {
    socket.on('error', () => {});
    ends.push(() => socket.destroy());
    const info = { server_id: 'A', version: '2.15.1', proto: 1, headers: true, max_payload: 1_048_576 };
    socket.write(`INFO ${JSON.stringify({ ...info, ...(tls === null ? {} : { tls_required: true }) })}\r\n`);
    const plain = tls === null ? socket : new TLSSocket(socket, { isServer: true, ...tls });
    plain.on('error', () => {});
    plain.on('data', (bytes) => said.push(bytes.toString()));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ends.push(() => server.close());
  return { port: (server.address() as AddressInfo).port, said };
}

/** Polls what a start on this NATS says, until the first attempt to connect has failed. */
function expectedAt(url: string) {
  const bus = new Bus({ url, name: 'test', role: 'control', report: () => {} });
  ends.push(() => bus.close());
  return expect.poll(() => bus.ready(100).then(String, ({ message, hints }) => `${message}: ${hints}`));
}

test('a certificate that is not trusted', async () => {
  const { port, said } = await serverWith(makeCertificates());
  for (const scheme of ['tls', 'nats'])
    await expectedAt(`${scheme}://control:secret@localhost:${port}`).toMatch(
      /has a certificate that is not trusted \(\w+\): .*TLS for NATS/,
    );
  expect(said).toEqual([]);
});

test('a server without TLS, which tls:// asks for', async () => {
  const { port, said } = await serverWith(null);
  await expectedAt(`tls://control:secret@localhost:${port}`).toMatch(/ has no TLS: /);
  expect(said).toEqual([]);
});
