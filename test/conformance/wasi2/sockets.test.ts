/** wasi:sockets, row by row, to real servers on the loopback. Specification: WebAssembly/wasi-sockets, wit. */
import { afterEach, describe, expect, it } from 'vitest';
import { hostResource } from '../../../src/guest/component/wit.ts';
import { IoError } from '../../../src/guest/kernel/abi/wasi2/io/error.ts';
import { fromAddressText, toAddressText } from '../../../src/guest/kernel/abi/wasi2/sockets/network.ts';
import { networkSchemes } from '../../../src/guest/kernel/resources/network.ts';
import { SchemeRegistry } from '../../../src/guest/kernel/scheme-registry.ts';
import type { Policy } from '../../../src/protocol/nouns.ts';
import { ComponentGuest, rowOf } from '../../support/component-guest.ts';
import { canary, cleanUp, gate, tcpServer, world } from '../../support/net.ts';

afterEach(cleanUp);

const tcp = 'wasi:sockets/tcp';
const lookup = 'wasi:sockets/ip-name-lookup';
const streams = 'wasi:io/streams';
const poll = 'wasi:io/poll';
const done = { ok: undefined };
const err = (code: string) => ({ err: code });
const write = '[method]output-stream.blocking-write-and-flush';

async function connected(options: { allow?: readonly string[]; policy?: Policy; lookup?: (name: string) => unknown }) {
  const { network } = world(
    options.allow ?? [],
    (options.lookup === undefined ? {} : { lookup: options.lookup }) as object,
  );
  const guest = new ComponentGuest({
    schemes: new SchemeRegistry(networkSchemes(network)),
    ...(options.policy === undefined ? {} : { policy: options.policy }),
  });
  const net = await guest.call('wasi:sockets/instance-network', 'instance-network');
  const { ok: socket } = await guest.call('wasi:sockets/tcp-create-socket', 'create-tcp-socket', 'ipv4');
  return { network, guest, tcp: guest.of(tcp), net: net as number, socket: socket as number };
}

type One = Awaited<ReturnType<typeof connected>>;

function ipv4(address: string) {
  const [host = '', port = ''] = address.split(':');
  return { tag: 'ipv4', value: { port: Number(port), address: host.split('.').map(Number) } };
}

const ipv6 = (...address: readonly number[]) => ({
  tag: 'ipv6',
  value: { port: 80, flowInfo: 0, address, scopeId: 0 },
});

/** Connects; returns what finish-connect says. */
async function connect(one: One, address: string, socket = one.socket) {
  const begun = await one.tcp('[method]tcp-socket.start-connect', socket, one.net, ipv4(address));
  if (begun.err !== undefined) return begun;
  const pollable = await one.tcp('[method]tcp-socket.subscribe', socket);
  await one.guest.call(poll, '[method]pollable.block', pollable);
  await one.guest.call(poll, '[resource-drop]pollable', pollable);
  return one.tcp('[method]tcp-socket.finish-connect', socket);
}

describe('a tcp-socket', () => {
  it('connects, sends, receives and ends', async () => {
    const peers: unknown[] = [];
    const address = await tcpServer((socket) => {
      peers.push(socket.remotePort);
      socket.on('data', (chunk) => socket.end(`got ${chunk}`));
    }, true);
    const one = await connected({ allow: [address] });
    const { ok } = await connect(one, address);
    const [input, output] = ok;
    expect(await one.guest.call(streams, write, output, 'hello')).toStrictEqual(done);
    const read = await one.guest.call(streams, '[method]input-stream.blocking-read', input, 99n);
    expect(Buffer.from(read.ok).toString()).toBe('got hello');
    const end = await one.guest.call(streams, '[method]input-stream.blocking-read', input, 99n);
    expect(end).toEqual({ err: { tag: 'closed' } });
    expect(await one.tcp('[method]tcp-socket.remote-address', one.socket)).toEqual({ ok: ipv4(address) });
    expect(await one.tcp('[method]tcp-socket.local-address', one.socket)).toEqual({
      ok: ipv4(`0.0.0.0:${peers[0]}`),
    });
    expect(await one.tcp('[method]tcp-socket.start-connect', one.socket, one.net, ipv4(address))).toEqual(
      err('invalid-state'),
    );
    await expect(one.tcp('[resource-drop]tcp-socket', one.socket)).rejects.toThrow('2 of its children are in use');
    expect(one.guest.process.io.get('tcp')).toEqual({ bytesIn: 9, bytesOut: 5 });
  });

  it('ends one half of its connection behind what was written', async () => {
    const address = await tcpServer((socket) => {
      let text = '';
      socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
      socket.on('end', () => socket.end(text.length.toString()));
    }, true);
    const one = await connected({ allow: [address] });
    const { ok } = await connect(one, address);
    const [input, output] = ok;
    for (let room = 1n, left = 300_000; left > 0; ) {
      room = (await one.guest.call(streams, '[method]output-stream.check-write', output)).ok;
      if (room === 0n) {
        await one.guest.call(streams, '[method]output-stream.blocking-flush', output);
        continue;
      }
      const count = Math.min(left, Number(room));
      await one.guest.call(streams, '[method]output-stream.write', output, new Uint8Array(count));
      left -= count;
    }
    expect(await one.tcp('[method]tcp-socket.shutdown', one.socket, 'send')).toStrictEqual(done);
    const { ok: read } = await one.guest.call(streams, '[method]input-stream.blocking-read', input, 99n);
    expect(Buffer.from(read).toString()).toBe('300000');
    expect(await one.tcp('[method]tcp-socket.shutdown', one.socket, 'both')).toStrictEqual(done);
  });

  it('is closed by its drop, behind what was written', async () => {
    const received = gate();
    let text = '';
    const address = await tcpServer((socket) => {
      socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
      socket.on('end', received.open);
    });
    const one = await connected({ allow: [address] });
    const [input, output] = (await connect(one, address)).ok;
    await one.guest.call(streams, '[method]output-stream.check-write', output);
    await one.guest.call(streams, '[method]output-stream.write', output, 'last');
    await one.guest.call(streams, '[resource-drop]output-stream', output);
    await one.guest.call(streams, '[resource-drop]input-stream', input);
    await one.tcp('[resource-drop]tcp-socket', one.socket);
    await received.opened;
    expect(text).toBe('last');
  });

  it('says would-block, not-in-progress and invalid-state', async () => {
    const never = new Promise<readonly { address: string }[]>(() => undefined);
    const address = await tcpServer(() => undefined);
    const one = await connected({ allow: [address], lookup: () => never });
    const { tcp: call, socket, net } = one;
    expect(await call('[method]tcp-socket.finish-connect', socket)).toEqual(err('not-in-progress'));
    expect(await call('[method]tcp-socket.remote-address', socket)).toEqual(err('invalid-state'));
    expect(await call('[method]tcp-socket.local-address', socket)).toEqual(err('invalid-state'));
    expect(await call('[method]tcp-socket.shutdown', socket, 'both')).toEqual(err('invalid-state'));
    expect(await call('[method]tcp-socket.start-connect', socket, net, ipv4(address))).toStrictEqual(done);
    expect(await call('[method]tcp-socket.finish-connect', socket)).toEqual(err('would-block'));
    expect(await call('[method]tcp-socket.start-connect', socket, net, ipv4(address))).toEqual(err('invalid-state'));
    expect(await call('[method]tcp-socket.start-bind', socket, net, ipv4('0.0.0.0:0'))).toEqual(err('invalid-state'));
    expect(await call('[method]tcp-socket.start-listen', socket)).toEqual(err('invalid-state'));
  });

  it('never listens and never binds', async () => {
    const { tcp: call, socket, net } = await connected({});
    expect(await call('[method]tcp-socket.start-bind', socket, net, ipv4('0.0.0.0:80'))).toEqual(err('access-denied'));
    expect(await call('[method]tcp-socket.start-bind', socket, net, ipv6(0, 0, 0, 0, 0, 0, 0, 1))).toEqual(
      err('invalid-argument'),
    );
    expect(await call('[method]tcp-socket.finish-bind', socket)).toEqual(err('not-in-progress'));
    for (const address of [ipv4('224.0.0.1:0'), ipv4('255.255.255.255:0')])
      expect(await call('[method]tcp-socket.start-bind', socket, net, address)).toEqual(err('invalid-argument'));
    expect(await call('[method]tcp-socket.start-listen', socket)).toEqual(err('access-denied'));
    expect(await call('[method]tcp-socket.finish-listen', socket)).toEqual(err('not-in-progress'));
    expect(await call('[method]tcp-socket.accept', socket)).toEqual(err('access-denied'));
    expect(await call('[method]tcp-socket.is-listening', socket)).toBe(false);
    expect(await call('[method]tcp-socket.address-family', socket)).toBe('ipv4');
    expect(await call('[method]tcp-socket.set-listen-backlog-size', socket, 0n)).toEqual(err('invalid-argument'));
    expect(await call('[method]tcp-socket.set-listen-backlog-size', socket, 9n)).toStrictEqual(done);
  });

  it('reaches no address that guests may not reach', async () => {
    const { address, seen } = await canary();
    const one = await connected({});
    expect(await connect(one, address)).toEqual(err('access-denied'));
    expect(seen()).toBe(0);
    expect(await one.tcp('[method]tcp-socket.finish-connect', one.socket)).toEqual(err('not-in-progress'));
  });

  it('that the policy forbids ends the Process', async () => {
    const { address, seen } = await canary();
    const one = await connected({ allow: [address], policy: { allow: ['^tcp://10\\.'], disallow: [] } });
    await expect(connect(one, address)).rejects.toThrow('policy');
    expect(one.guest.process.end).toMatchObject({ kind: 'policy', url: `tcp://${address}` });
    expect(seen()).toBe(0);
  });

  it('says who refused', async () => {
    const { address } = await canary();
    await cleanUp();
    const one = await connected({ allow: [address] });
    expect(await connect(one, address)).toEqual(err('connection-refused'));
  });

  const bad = [
    ['port 0', ipv4('127.0.0.1:0')],
    ['any address', ipv4('0.0.0.0:80')],
    ['the broadcast address', ipv4('255.255.255.255:80')],
    ['a multicast address', ipv4('224.254.0.0:80')],
    ['the other family', ipv6(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)],
  ] as const;
  it.each(bad)('refuses %s', async (_name, address) => {
    const { tcp: call, socket, net } = await connected({});
    expect(await call('[method]tcp-socket.start-connect', socket, net, address)).toEqual(err('invalid-argument'));
  });

  it.each([
    ['IPv4 address in disguise', ipv6(0, 0, 0, 0, 0, 0xffff, 0x7f00, 1)],
    ['IPv4 address', ipv4('127.0.0.1:80')],
    ['multicast address', ipv6(0xff00, 0, 0, 0, 0, 0, 0, 0)],
    ['unspecified address', ipv6(0, 0, 0, 0, 0, 0, 0, 0)],
  ])('of IPv6 takes no %s', async (_what, address) => {
    const { guest, tcp: call, net } = await connected({});
    const { ok: socket } = await guest.call('wasi:sockets/tcp-create-socket', 'create-tcp-socket', 'ipv6');
    expect(await call('[method]tcp-socket.start-connect', socket, net, address)).toEqual(err('invalid-argument'));
  });

  it('keeps its settings', async () => {
    const { tcp: call, socket } = await connected({});
    const settings = [
      ['[method]tcp-socket.keep-alive-idle-time', '[method]tcp-socket.set-keep-alive-idle-time', 5n, 5n, 0n],
      ['[method]tcp-socket.keep-alive-interval', '[method]tcp-socket.set-keep-alive-interval', 5n, 5n, 0n],
      ['[method]tcp-socket.keep-alive-count', '[method]tcp-socket.set-keep-alive-count', 5, 5, 0],
      ['[method]tcp-socket.hop-limit', '[method]tcp-socket.set-hop-limit', 42, 42, 0],
      ['[method]tcp-socket.receive-buffer-size', '[method]tcp-socket.set-receive-buffer-size', 5n, 65_536n, 0n],
      ['[method]tcp-socket.send-buffer-size', '[method]tcp-socket.set-send-buffer-size', 5n, 65_536n, 0n],
    ] as const;
    for (const [get, set, value, then, zero] of settings) {
      expect(await call(get, socket)).toHaveProperty('ok');
      expect(await call(set, socket, value)).toStrictEqual(done);
      expect(await call(get, socket)).toEqual({ ok: then });
      expect(await call(set, socket, zero)).toEqual(err('invalid-argument'));
    }
    const large = 2n ** 64n - 1n;
    for (const set of ['keep-alive-idle-time', 'keep-alive-interval', 'receive-buffer-size', 'send-buffer-size'])
      expect(await call(`[method]tcp-socket.set-${set}`, socket, large)).toStrictEqual(done);
    expect(await call('[method]tcp-socket.set-keep-alive-count', socket, 0xffff_ffff)).toStrictEqual(done);
    expect(await call('[method]tcp-socket.set-listen-backlog-size', socket, large)).toStrictEqual(done);
    expect(await call('[method]tcp-socket.keep-alive-enabled', socket)).toEqual({ ok: false });
    expect(await call('[method]tcp-socket.set-keep-alive-enabled', socket, true)).toStrictEqual(done);
    expect(await call('[method]tcp-socket.keep-alive-enabled', socket)).toEqual({ ok: true });
  });

  it('is closed at the end of the Process', async () => {
    const closed = gate();
    const address = await tcpServer((socket) => socket.on('close', closed.open));
    const one = await connected({ allow: [address] });
    await connect(one, address);
    one.guest.process.kill({ kind: 'deadline', timeoutMs: 1 });
    await one.guest.process.closeAll();
    await closed.opened;
    expect(one.network.connections).toBe(0);
  });
});

describe('a name', () => {
  const addresses: Readonly<Record<string, readonly string[]>> = {
    'public.example': ['93.184.216.34', '::ffff:93.184.216.35', '2606:2800:220:1::1', '10.0.0.1'],
    'private.example': ['10.0.0.1', '127.0.0.1'],
  };
  const dns = (name: string) => {
    const found = addresses[name];
    return found === undefined
      ? Promise.reject(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }))
      : Promise.resolve(found.map((address) => ({ address })));
  };

  async function resolve(one: One, name: string) {
    const { ok: stream, err: error } = await one.guest.call(lookup, 'resolve-addresses', one.net, name);
    if (error !== undefined) return error;
    const pollable = await one.guest.call(lookup, '[method]resolve-address-stream.subscribe', stream);
    await one.guest.call(poll, '[method]pollable.block', pollable);
    await one.guest.call(poll, '[resource-drop]pollable', pollable);
    const found: string[] = [];
    for (;;) {
      const next = await one.guest.call(lookup, '[method]resolve-address-stream.resolve-next-address', stream);
      if (next.err !== undefined) return next.err;
      if (next.ok === null) break;
      found.push(toAddressText(next.ok.tag, next.ok.value));
    }
    await one.guest.call(lookup, '[resource-drop]resolve-address-stream', stream);
    return found;
  }

  it('has the addresses that guests may reach', async () => {
    const one = await connected({ lookup: dns });
    expect(await resolve(one, 'public.example')).toEqual(['93.184.216.34', '93.184.216.35', '2606:2800:220:1::1']);
    expect(await resolve(one, 'private.example')).toBe('access-denied');
    expect(await resolve(one, 'no.example')).toBe('name-unresolvable');
    expect(await resolve(await connected({ lookup: dns, allow: ['10.0.0.1:80'] }), 'private.example')).toEqual([
      '10.0.0.1',
    ]);
  });

  it('may be an address', async () => {
    const one = await connected({ lookup: dns });
    expect(await resolve(one, '192.0.2.1')).toEqual(['192.0.2.1']);
    expect(await resolve(one, '2001:db8::1')).toEqual(['2001:db8::1']);
  });

  it.each([
    ['0.0.0.0', '0.0.0.0'],
    ['127.0.0.1', '127.0.0.1'],
    ['::', '::'],
    ['[::]', '::'],
    ['::1', '::1'],
    ['2001:0db8:0:0:0:0:0:0', '2001:db8::'],
    ['DEAD:BEEF::0', 'dead:beef::'],
  ])('may be the address %s, in any spelling', async (name, address) => {
    expect(await resolve(await connected({ lookup: dns }), name)).toEqual([address]);
  });

  it.each(['', ' ', 'a b', 'a.b<&>', '127.0.0.1:80', '[::]:80', 'http://example.com/'])('is not %j', async (name) => {
    expect(await resolve(await connected({ lookup: dns }), name)).toBe('invalid-argument');
  });

  it('is not there at once', async () => {
    const one = await connected({ lookup: () => new Promise(() => undefined) });
    const { ok: stream } = await one.guest.call(lookup, 'resolve-addresses', one.net, 'slow.example');
    const next = '[method]resolve-address-stream.resolve-next-address';
    expect(await one.guest.call(lookup, next, stream)).toEqual(err('would-block'));
  });

  it('that the policy forbids ends the Process', async () => {
    const policy = { allow: ['^dns:public\\.example$'], disallow: [] };
    expect(await resolve(await connected({ lookup: dns, policy }), 'public.example')).toHaveLength(3);
    const one = await connected({ lookup: dns, policy });
    await expect(resolve(one, 'private.example')).rejects.toThrow('policy');
    expect(one.guest.process.end).toMatchObject({ kind: 'policy', url: 'dns:private.example' });
  });

  it('cannot be looked up where there is no network', async () => {
    const guest = new ComponentGuest();
    const net = await guest.call('wasi:sockets/instance-network', 'instance-network');
    expect(await guest.call(lookup, 'resolve-addresses', net, 'public.example')).toEqual(err('access-denied'));
    await guest.call('wasi:sockets/network', '[resource-drop]network', net);
  });
});

describe('udp', () => {
  it('has no sockets', async () => {
    const guest = new ComponentGuest();
    const create = (family: string) => guest.call('wasi:sockets/udp-create-socket', 'create-udp-socket', family);
    expect([await create('ipv4'), await create('ipv6')]).toEqual([err('access-denied'), err('access-denied')]);
  });

  const functions = [
    ['udp-socket', '[method]udp-socket.start-bind', 1, ipv4('0.0.0.0:0')],
    ['udp-socket', '[method]udp-socket.finish-bind'],
    ['udp-socket', '[method]udp-socket.stream', null],
    ['udp-socket', '[method]udp-socket.local-address'],
    ['udp-socket', '[method]udp-socket.remote-address'],
    ['udp-socket', '[method]udp-socket.address-family'],
    ['udp-socket', '[method]udp-socket.unicast-hop-limit'],
    ['udp-socket', '[method]udp-socket.set-unicast-hop-limit', 1],
    ['udp-socket', '[method]udp-socket.receive-buffer-size'],
    ['udp-socket', '[method]udp-socket.set-receive-buffer-size', 1n],
    ['udp-socket', '[method]udp-socket.send-buffer-size'],
    ['udp-socket', '[method]udp-socket.set-send-buffer-size', 1n],
    ['udp-socket', '[method]udp-socket.subscribe'],
    ['udp-socket', '[resource-drop]udp-socket'],
    ['incoming-datagram-stream', '[method]incoming-datagram-stream.receive', 1n],
    ['incoming-datagram-stream', '[method]incoming-datagram-stream.subscribe'],
    ['incoming-datagram-stream', '[resource-drop]incoming-datagram-stream'],
    ['outgoing-datagram-stream', '[method]outgoing-datagram-stream.check-send'],
    ['outgoing-datagram-stream', '[method]outgoing-datagram-stream.send', []],
    ['outgoing-datagram-stream', '[method]outgoing-datagram-stream.subscribe'],
    ['outgoing-datagram-stream', '[resource-drop]outgoing-datagram-stream'],
  ] as const;
  it.each(functions)('there is no %s for %s', async (resource, name, ...values) => {
    const guest = new ComponentGuest();
    await expect(guest.call('wasi:sockets/udp', name, 7, ...values)).rejects.toThrow('no resource handle 7');
    // Were there one, it would be refused all the same.
    const handle = guest.process.component.handles.add(hostResource('wasi:sockets/udp@0.2', resource), {});
    expect(rowOf('wasi:sockets/udp', name).waits).toBe(false);
    if (name.startsWith('[resource-drop]') || values[0] === 1) return;
    const answer = await guest.call('wasi:sockets/udp', name, handle, ...values).catch((error: Error) => error.message);
    expect([err('access-denied'), 'there are no UDP sockets']).toContainEqual(answer);
  });
});

it('an error of a stream has a code', async () => {
  const guest = new ComponentGuest();
  const error = (codes: object) =>
    guest.process.component.handles.add(hostResource('wasi:io/error@0.2', 'error'), new IoError('x', codes));
  const code = (handle: number) => guest.call('wasi:sockets/network', 'network-error-code', handle);
  expect(await code(error({ sockets: 'timeout' }))).toBe('timeout');
  expect(await code(error({}))).toBe(null);
});

it('addresses are read and written in their shortest spelling', () => {
  for (const text of ['192.0.2.1', '::', '::1', '2001:db8::1', 'fe80::1:2:3', '1:2:3:4:5:6:7:8', '1::']) {
    const { tag, value } = fromAddressText(text);
    expect([value.length, toAddressText(tag, value)]).toEqual([tag === 'ipv4' ? 4 : 8, text]);
  }
});
