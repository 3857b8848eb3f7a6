import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpsServer } from 'node:https';
import { createServer as createTcpServer } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { Errno } from '../../../../src/guest/kernel/errno.ts';
import { canonicalAddress, deniedRange, parseHost } from '../../../../src/guest/kernel/net/address.ts';
import { createEgress } from '../../../../src/guest/kernel/net/egress.ts';
import { PlatformError } from '../../../../src/protocol/errors.ts';
import {
  canary,
  cleanUp,
  exchange,
  gate,
  httpServer,
  listen,
  open,
  opened,
  read,
  tcpServer,
  world,
  write,
} from '../../../support/net.ts';

afterEach(cleanUp);

/** Not fast-check's own, which takes seconds to prepare. */
const anyCharacter = fc
  .oneof(fc.integer({ min: 0, max: 0x7f }), fc.integer({ min: 0, max: 0x2ffff }))
  .map((code) => String.fromCodePoint(code));

const schemes = ['http', 'ws', 'tcp'] as const;

/** What a guest gets that tries to reach `host:port` by `scheme`. */
async function attempt(process: Parameters<typeof open>[0], scheme: string, host: string, port: number) {
  const resource = await open(process, `${scheme}://${host}:${port}`);
  if (typeof resource === 'number') return resource;
  if (scheme !== 'http') return 0;
  await write(resource, 'GET / HTTP/1.1\n\n');
  return await resource.flush();
}

it('a name without an address is not found, whoever looks it up; it is not refused', async () => {
  const egress = createEgress({ allow: [], ownPorts: [] });
  const { signal } = new AbortController();
  await expect(egress.addressesOf('nothing.example', signal, async () => [])).rejects.toMatchObject({
    errno: Errno.notFound,
  });
});

it('a refused address is refused when it is opened, before anything is asked of it', async () => {
  const process = world([]).process();
  expect(await open(process, 'http://127.0.0.1:1')).toBe(Errno.denied);
  expect(await open(process, 'https://10.0.0.1')).toBe(Errno.denied);
  expect(process.lines).toHaveLength(2);
});

it('an attempt that is given up while it connects says so', async () => {
  const ending = new AbortController();
  const egress = createEgress({ allow: ['192.0.2.1:9'], ownPorts: [] });
  const host = { kind: 'address', address: '192.0.2.1' } as const;
  const attempt = egress.connect({ host, port: 9, tls: null, signal: ending.signal, halfOpen: false });
  ending.abort();
  await expect(attempt).rejects.toMatchObject({ errno: Errno.closed, message: /the invocation has ended/ });
});

it('a peer that is not at the address that was checked is refused, and gets nothing', async () => {
  // The system connects 0.0.0.0 to the loopback: what was allowed and checked is one address, the peer is at another.
  const received: Buffer[] = [];
  const closed = gate();
  const at = await tcpServer((socket) =>
    socket.on('data', (bytes: Buffer) => received.push(bytes)).on('close', closed.open),
  );
  const any = `0.0.0.0:${at.split(':')[1]}`;
  const process = world([any]).process();
  const resource = await open(process, `tcp://${any}`);
  expect(resource).toBe(Errno.denied);
  expect(process.lines[0]).toMatch(/the connected peer is not the address checked/);
  await closed.opened;
  expect(received).toEqual([]);
});

it('of the addresses of a name the first few are tried', async () => {
  // Nobody listens at the others of the loopback's network.
  const [, port = ''] = (await listen(createTcpServer(), '127.0.0.9')).split(':');
  const addresses = Array.from({ length: 9 }, (_, n) => ({ address: `127.0.0.${n + 1}`, family: 4 }));
  const connect = (given: typeof addresses) =>
    createEgress({ allow: [`many.test:${port}`], ownPorts: [], lookup: async () => given }).connect({
      ...{ host: { kind: 'name', name: 'many.test' }, port: Number(port), tls: null, halfOpen: false },
      signal: new AbortController().signal,
    });
  const socket = await connect(addresses.slice(1));
  expect(socket.remoteAddress).toBe('127.0.0.9');
  socket.destroy();
  await expect(connect(addresses)).rejects.toMatchObject({ errno: Errno.refused });
});

describe('every spelling of a denied address', () => {
  // All of them are the loopback or "any" address, where the canary listens.
  const spellings = [
    '127.0.0.1',
    '127.0.0.1.',
    '127.1',
    '127.0.1',
    '2130706433',
    '0x7f000001',
    '0x7f.1',
    '0x7f.0.0.1',
    '0X7F.0x0.0x0.0x1',
    '0177.0.0.1',
    '017700000001',
    '127.000.000.001',
    '0',
    '0.0.0.0',
    '0x0',
    '00',
    '１２７.０.０.１',
    '①②⑦.⓪.⓪.①',
    '127。0。0。1',
    '[::1]',
    '[::]',
    '[0:0:0:0:0:0:0:1]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[::FFFF:127.0.0.1]',
    '[0:0:0:0:0:ffff:127.0.0.1]',
    '[::127.0.0.1]',
    '[::7f00:1]',
    '[::ffff:0:127.0.0.1]',
    '[64:ff9b::127.0.0.1]',
    '[64:ff9b:1::7f00:1]',
    '[2002:7f00:1::]',
    'localhost',
    'LOCALHOST.',
    'localhost.localdomain',
    'ip6-localhost',
  ];

  it.each(schemes)('is refused by %s: no connection at the canary', async (scheme) => {
    const v4 = await canary('0.0.0.0');
    const v6 = await canary('::1', v4.port).catch(() => null);
    const { process } = world([]);
    for (const spelling of spellings) {
      const guest = process();
      const result = await attempt(guest, scheme, spelling, v4.port);
      // A name that this machine does not know is not found.
      const known = /local/i.test(spelling) ? [Errno.denied, Errno.notFound] : [Errno.denied];
      expect([spelling, known.includes(result as -3)]).toEqual([spelling, true]);
      expect(guest.lines).toHaveLength(1);
    }
    for (const zone of [
      '[::1%lo]',
      '[fe80::1%25lo]',
      '[::1%251]',
      '%31%32%37.0.0.1',
      '127.0.0.1%00',
      '1.2.3.4.5',
      '[::1',
    ]) {
      expect([zone, await attempt(process(), scheme, zone, v4.port)]).toEqual([zone, Errno.invalid]);
    }
    expect(v4.seen() + (v6?.seen() ?? 0)).toBe(0);
    // The canary does see those who get through.
    await attempt(world([v4.address]).process(), scheme, '0.0.0.0', v4.port);
    expect(v4.seen()).toBe(1);
  });

  it('names every range of the list, its edges, and nothing beside', () => {
    const denied =
      '0.0.0.0 0.255.255.255 10.0.0.0 10.255.255.255 100.64.0.0 100.127.255.255 127.0.0.0 127.255.255.255 ' +
      '169.254.0.0 169.254.169.254 169.254.255.255 172.16.0.0 172.31.255.255 192.0.0.0 192.0.0.255 192.0.2.1 192.88.99.1 ' +
      '192.168.0.0 192.168.255.255 198.18.0.0 198.19.255.255 198.51.100.7 203.0.113.7 224.0.0.1 239.255.255.255 240.0.0.1 ' +
      '255.255.255.255 :: ::1 ::1.2.3.4 64:ff9b::1 64:ff9b:0:0:0:0:ffff:ffff 64:ff9b:1:ffff::1 100::1 2001::1 2001:1ff:ffff::1 ' +
      '2001:db8::1 2002::1 3fff::1 3fff:fff:ffff::1 5f00::1 fc00::1 fd00::1 fdff:ffff::1 fe80::1 febf::1 fec0::1 feff::1 ff02::1';
    const open =
      '1.0.0.0 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 169.253.255.255 169.255.0.0 ' +
      '172.15.255.255 172.32.0.0 191.255.255.255 192.0.1.0 192.0.3.0 192.88.98.255 192.167.255.255 192.169.0.0 198.17.255.255 ' +
      '198.20.0.0 198.51.99.255 203.0.112.255 203.0.114.0 223.255.255.255 8.8.8.8 2606:4700::1111 2001:200::1 2001:4860::8888 ' +
      '2001:db7::1 2001:db9::1 2003::1 3ffe::1 3fff:1000::1 5eff::1 5f01::1 fbff::1 fe00::1 64:ff9c::1 100:0:0:1::1 1::1';
    for (const address of denied.split(' '))
      expect([address, deniedRange(canonicalAddress(address) ?? '')]).not.toEqual([address, null]);
    for (const address of open.split(' '))
      expect([address, deniedRange(canonicalAddress(address) ?? '')]).toEqual([address, null]);
  });

  it('property: an IPv4 address means the same however its four bytes are written', () => {
    const byte = fc.integer({ min: 0, max: 255 });
    fc.assert(
      fc.property(byte, byte, byte, byte, (a, b, c, d) => {
        const dotted = `${a}.${b}.${c}.${d}`;
        const number = ((a * 256 + b) * 256 + c) * 256 + d;
        const hex = (n: number) => n.toString(16);
        for (const spelling of [
          dotted,
          String(number),
          `0x${hex(number)}`,
          `0${number.toString(8)}`,
          `${a}.${b}.${c * 256 + d}`,
          `${a}.${(b * 256 + c) * 256 + d}`,
          `0x${hex(a)}.0${b.toString(8)}.${c}.0X${hex(d)}`,
          `[::ffff:${dotted}]`,
          `[::ffff:${hex(a * 256 + b)}:${hex(c * 256 + d)}]`,
        ]) {
          expect(parseHost(spelling)).toEqual({ kind: 'address', address: dotted });
        }
      }),
    );
  });

  it('is no host when it is long, whatever it would be', () => {
    expect(parseHost(`${'0'.repeat(500)}1`)).toEqual({ kind: 'address', address: '0.0.0.1' });
    expect(parseHost(`${'0'.repeat(600)}1`)).toBeNull();
  });

  it('property: no text is a host that a URL reads otherwise', () => {
    fc.assert(
      fc.property(fc.string({ unit: anyCharacter, maxLength: 30 }), (text) => {
        const host = parseHost(text);
        if (host === null) return true;
        const url = new URL(`http://${text}/`);
        const name = host.kind === 'name' ? host.name : host.address;
        return url.username + url.pathname + url.search + url.hash + url.port === '/' && !/[\s/?#@\\%]/.test(name);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('a name', () => {
  const answering = (...addresses: string[]) => ({
    lookup: () => Promise.resolve(addresses.map((address) => ({ address }))),
  });

  it.each([
    ['a private address', ['10.1.2.3']],
    ['the metadata service', ['169.254.169.254']],
    ['a mapped address', ['::ffff:192.168.1.1']],
    ['an address with a zone', ['fe80::1%eth0']],
    ['one denied address among public ones', ['93.184.216.34', '2606:4700::1111', '127.0.0.1']],
    ['what is no address', ['not-an-address']],
  ])('that resolves to %s is refused without any connection', async (_what, addresses) => {
    const trap = await canary();
    const { process } = world([], answering(...addresses));
    for (const scheme of schemes) {
      const guest = process();
      expect(await attempt(guest, scheme, 'innocent.example', trap.port)).toBe(Errno.denied);
      // The log does not tell what the name resolves to inside the operator's network.
      for (const address of addresses) expect(guest.lines.join()).not.toContain(address);
    }
    expect(trap.seen()).toBe(0);
  });

  it('of no address, or that takes too long, is an error', async () => {
    const none = world([], answering()).process();
    expect(await attempt(none, 'tcp', 'empty.example', 80)).toBe(Errno.notFound);
    const slow = world([], { lookup: () => new Promise(() => {}), limits: { lookupTimeoutMs: 20 } }).process();
    expect(await attempt(slow, 'tcp', 'slow.example', 80)).toBe(Errno.timedOut);
    expect(slow.lines[0]).toMatch(/looking up slow\.example: no answer within 20 ms/);
  });

  it('that changes its answers is asked once for each connection, and what was checked is connected to', async () => {
    const trap = await canary('127.0.0.2');
    const good = await listen(
      (await import('node:net')).createServer((socket) => socket.end('good')),
      '127.0.0.1',
      trap.port,
    );
    let asked = 0;
    const { process } = world([good], {
      lookup: () => {
        asked += 1;
        return Promise.resolve([{ address: asked % 2 === 1 ? '127.0.0.1' : '127.0.0.2' }]);
      },
    });
    for (let i = 0; i < 3; i += 1) {
      const resource = await opened(process(), `tcp://rebinding.example:${trap.port}`);
      expect(await read(resource)).toBe('good');
      expect(await open(process(), `tcp://rebinding.example:${trap.port}`)).toBe(Errno.denied);
    }
    expect(asked).toBe(6);
    expect(trap.seen()).toBe(0);
  });

  it('that many ask for at once is looked up once, and few names at a time', async () => {
    const at = await tcpServer((socket) => socket.end());
    const port = Number(at.split(':')[1]);
    const asked: string[] = [];
    const answers: (() => void)[] = [];
    const { process } = world([at], {
      lookup: (name) => {
        asked.push(name);
        return new Promise((resolve) => answers.push(() => resolve([{ address: '127.0.0.1' }])));
      },
    });
    const all = ['a', 'a', 'b', 'a', 'c', 'd'].map((name) => open(process(), `tcp://${name}.example:${port}`));
    while (answers.length < 2) await new Promise((resolve) => setImmediate(resolve));
    expect(asked).toEqual(['a.example', 'b.example']);
    while (asked.length < 4) {
      for (const answer of answers.splice(0)) answer();
      await new Promise((resolve) => setImmediate(resolve));
    }
    for (const answer of answers.splice(0)) answer();
    for (const resource of await Promise.all(all)) expect(typeof resource).toBe('object');
    expect(asked).toEqual(['a.example', 'b.example', 'c.example', 'd.example']);
  });
});

describe('what the operator allows', () => {
  it('is reached as written, in other spellings, and by a name that resolves to it; nothing else is', async () => {
    const at = await httpServer((_request, response) => response.end('ok'));
    const port = Number(at.split(':')[1]);
    const trap = await canary();
    const { process } = world([at], { lookup: () => Promise.resolve([{ address: '127.0.0.1' }]) });
    for (const host of ['127.0.0.1', '127.1', '2130706433', '[::ffff:127.0.0.1]', 'some.example'])
      expect([host, await attempt(process(), 'http', host, port)]).toEqual([host, 0]);
    expect(await attempt(process(), 'http', '127.0.0.1', trap.port)).toBe(Errno.denied);
    expect(await attempt(process(), 'http', '127.0.0.2', port)).toBe(Errno.denied);
    expect(trap.seen()).toBe(0);
  });

  it('by name is the name that the guest writes, whatever it resolves to', async () => {
    const at = await httpServer((_request, response) => response.end('ok'));
    const port = Number(at.split(':')[1]);
    const { process } = world([`Db.Internal:${port}`], { lookup: () => Promise.resolve([{ address: '127.0.0.1' }]) });
    expect(await attempt(process(), 'http', 'db.internal', port)).toBe(0);
    expect(await attempt(process(), 'http', 'DB.INTERNAL.', port)).toBe(0);
    expect(await attempt(process(), 'http', 'other.internal', port)).toBe(Errno.denied);
    expect(await attempt(process(), 'http', '127.0.0.1', port)).toBe(Errno.denied);
  });

  it('has to be host:port', () => {
    for (const entry of ['', 'x', ':80', 'x:', 'x:0', 'x:70000', 'x:y', 'http://x:80', '::1:80', 'x y:80'])
      expect(() => createEgress({ allow: [entry], ownPorts: [] })).toThrow(PlatformError);
    expect(() => createEgress({ allow: ['[fd00::7]:8080', ' db:1 '], ownPorts: [] })).not.toThrow();
  });
});

describe('the platform itself', () => {
  it('is refused on every address of its host, with its ports named', async () => {
    const own = Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address));
    const trap = await canary('0.0.0.0');
    const { process } = world([], { ownPorts: [trap.port] });
    for (const address of own) {
      const guest = process();
      const host = address.includes(':') ? `[${address}]` : address;
      expect(await attempt(guest, 'tcp', host, trap.port)).toBe(Errno.denied);
      expect(guest.lines[0]).toMatch(/a port of the platform itself|own host/);
    }
    expect(trap.seen()).toBe(0);
  });

  it('is refused on a public address of its own', async () => {
    const guest = world([], { ownAddresses: () => ['93.184.216.34', '2606:4700::1111'] }).process();
    for (const host of ['93.184.216.34', '[2606:4700:0::1111]', '[::ffff:93.184.216.34]'])
      expect(await open(guest, `tcp://${host}:443`)).toBe(Errno.denied);
  });
});

describe('connecting', () => {
  it('gives up with the invocation, and after a time', async () => {
    // A listener whose queue is full answers no further SYN; an unroutable network is not for tests.
    const lookup = gate();
    const { process, network } = world([], { lookup: () => lookup.opened.then(() => []) });
    const guest = process();
    const opening = open(guest, 'tcp://slow.example:80');
    guest.kill({ kind: 'deadline', timeoutMs: 1 });
    expect(await opening).toBe(Errno.closed);
    expect(network.connections).toBe(0);
    lookup.open();
  });

  it('gives up on a server that accepts but never answers the TLS handshake', async () => {
    const at = await tcpServer((socket) => socket.resume());
    const guest = world([at], { limits: { tlsTimeoutMs: 50 } }).process();
    expect(await open(guest, `tcp+tls://${at}`)).toBe(Errno.timedOut);
    expect(guest.lines[0]).toMatch(/TLS with .*: no answer within 50 ms/);
  });

  it('tries the next address where one does not answer', async () => {
    const at = await tcpServer((socket) => socket.end('second'));
    const port = at.split(':')[1];
    const { process } = world([`127.0.0.9:${port}`, at], {
      lookup: () => Promise.resolve([{ address: '127.0.0.9' }, { address: '127.0.0.1' }]),
    });
    expect(await read(await opened(process(), `tcp://two.example:${port}`))).toBe('second');
  });
});

describe('TLS', () => {
  let folder: string;
  let ca: string;
  let server: { key: string; cert: string };

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'trisiel-tls-'));
    const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=Test CA');
    openssl('req', ...key, '-keyout', 'server.key', '-out', 'server.csr', '-subj', '/CN=good.example');
    writeFileSync(join(folder, 'ext'), 'subjectAltName=DNS:good.example,IP:127.0.0.1\n');
    openssl(
      'x509',
      '-req',
      '-in',
      'server.csr',
      '-CA',
      'ca.pem',
      '-CAkey',
      'ca.key',
      '-CAcreateserial',
      '-out',
      'server.pem',
      '-days',
      '2',
      '-extfile',
      'ext',
    );
    const text = (name: string) => readFileSync(join(folder, name), 'utf8');
    ca = text('ca.pem');
    server = { key: text('server.key'), cert: text('server.pem') };
  });

  afterAll(() => rmSync(folder, { recursive: true }));

  const lookup = () => Promise.resolve([{ address: '127.0.0.1' }]);

  it('verifies the certificate by default and says in the log what is wrong with it', async () => {
    const https = await listen(createHttpsServer(server, (_request, response) => response.end('secret')));
    const tls = await listen(createTlsServer(server, (socket) => socket.end('secret')));
    const { process } = world([https, tls]);
    const guest = process();
    expect(await open(guest, `tcp+tls://${tls}`)).toBe(Errno.refused);
    expect(await open(guest, `wss://${tls}`)).toBe(Errno.refused);
    const resource = await opened(guest, `https://${https}`);
    expect(await exchange(resource, 'GET / HTTP/1.1\n\n')).toEqual({ text: '', errno: Errno.refused });
    expect(guest.lines).toHaveLength(3);
    for (const line of guest.lines)
      expect(line).toMatch(/TLS with 127\.0\.0\.1:\d+ failed: .*(certificate|issuer|self)/i);
  });

  it('with a trusted authority sends the name as SNI, and refuses another name', async () => {
    const names: unknown[] = [];
    const at = await listen(
      createHttpsServer(server, (request, response) => {
        names.push((request.socket as unknown as { servername: unknown }).servername);
        response.end(`secure ${request.headers.host}`);
      }),
    );
    const port = at.split(':')[1];
    const { process } = world([at], { ca: [ca], lookup });
    const get = async (host: string, header = '') =>
      await exchange(await opened(process(), `https://${host}:${port}`), `GET / HTTP/1.1\n${header}\n`);
    expect((await get('good.example')).text).toMatch(`secure good.example:${port}`);
    expect((await get('127.0.0.1')).text).toMatch(`secure 127.0.0.1:${port}`);
    // The certificate is that of the URL's host, whatever the Host header says.
    expect((await get('good.example', 'Host: other.example\n')).text).toMatch('secure other.example');
    expect(names).toEqual(['good.example', false, 'good.example']);
    const bad = process();
    expect(await exchange(await opened(bad, `https://bad.example:${port}`), 'GET / HTTP/1.1\n\n')).toEqual({
      text: '',
      errno: Errno.refused,
    });
    expect(bad.lines[0]).toMatch(/bad\.example/);
  });

  it('carries tcp+tls and wss', async () => {
    const tls = await listen(createTlsServer(server, (socket) => socket.pipe(socket)));
    const https = createHttpsServer(server);
    new WebSocketServer({ server: https }).on('connection', (socket) =>
      socket.on('message', (data) => socket.send(data)),
    );
    const wss = await listen(https);
    const { process } = world([tls, wss], { ca: [ca], lookup });
    for (const url of [`tcp+tls://good.example:${tls.split(':')[1]}`, `wss://good.example:${wss.split(':')[1]}/x`]) {
      const resource = await opened(process(), url);
      await write(resource, 'through');
      expect(await resource.flush()).toBe(0);
      expect(await read(resource)).toBe('through');
      expect(await resource.close()).toBe(0);
    }
  });
});
