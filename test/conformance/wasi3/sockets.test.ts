/** wasi:sockets of WASI 0.3, row by row, to real servers on the loopback. */
import { afterEach, describe, expect, it } from 'vitest';
import { hostResource, result } from '../../../src/guest/component/wit.ts';
import { errorCodeType } from '../../../src/guest/kernel/abi/wasi3/sockets/error-code.ts';
import { networkSchemes } from '../../../src/guest/kernel/resources/network.ts';
import { SchemeRegistry } from '../../../src/guest/kernel/scheme-registry.ts';
import { ComponentGuest } from '../../support/component-guest.ts';
import { cleanUp, tcpServer, world } from '../../support/net.ts';

afterEach(cleanUp);

const types = 'wasi:sockets/types@0.3';
const outcome = result(null, errorCodeType);
const done = { ok: undefined };
const err = (tag: string) => ({ err: { tag } });

async function withSocket(allow: readonly string[] = [], egress: object = {}) {
  const { network } = world(allow, egress);
  const guest = new ComponentGuest({ schemes: new SchemeRegistry(networkSchemes(network)) });
  const { ok: socket } = await guest.call(types, '[static]tcp-socket.create', 'ipv4');
  const tcp = (name: string, ...values: readonly unknown[]) => guest.call(types, name, socket, ...values);
  return { guest, tcp, socket: socket as number };
}

function ipv4(address: string) {
  const [host = '', port = ''] = address.split(':');
  return { tag: 'ipv4', value: { port: Number(port), address: host.split('.').map(Number) } };
}

describe('a tcp-socket', () => {
  it('connects, sends a stream, receives a stream and ends', async () => {
    const peers: unknown[] = [];
    const address = await tcpServer((socket) => {
      peers.push(socket.remotePort);
      let text = '';
      socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
      socket.on('end', () => socket.end(`got ${text.length}`));
    }, true);
    const { guest, tcp, socket } = await withSocket([address]);
    expect(await tcp('[method]tcp-socket.connect', ipv4(address))).toStrictEqual(done);
    expect(await tcp('[method]tcp-socket.connect', ipv4(address))).toEqual(err('invalid-state'));
    const sent = await tcp('[method]tcp-socket.send', await guest.streamOf('x'.repeat(200_000)));
    expect(await guest.valueOf(sent, outcome)).toStrictEqual(done);
    const [received, end] = await tcp('[method]tcp-socket.receive');
    expect(await guest.textOf(received)).toBe('got 200000');
    expect(await guest.valueOf(end, outcome)).toStrictEqual(done);
    const again = await tcp('[method]tcp-socket.send', await guest.streamOf('x'));
    expect(await guest.valueOf(again, outcome)).toEqual(err('invalid-state'));
    expect(await tcp('[method]tcp-socket.get-remote-address')).toEqual({ ok: ipv4(address) });
    expect(await tcp('[method]tcp-socket.get-local-address')).toEqual({ ok: ipv4(`0.0.0.0:${peers[0]}`) });
    await guest.call(types, '[resource-drop]tcp-socket', socket);
  });

  it('says why it does not connect, and does nothing before it has', async () => {
    const { guest, tcp } = await withSocket(['127.0.0.1:1']);
    const [received, end] = await tcp('[method]tcp-socket.receive');
    expect(await guest.textOf(received)).toBe('');
    expect(await guest.valueOf(end, outcome)).toEqual(err('invalid-state'));
    expect(await tcp('[method]tcp-socket.get-remote-address')).toEqual(err('invalid-state'));
    expect(await tcp('[method]tcp-socket.connect', ipv4('127.0.0.1:0'))).toEqual(err('invalid-argument'));
    expect(await tcp('[method]tcp-socket.connect', ipv4('127.0.0.1:1'))).toEqual(err('connection-refused'));
    const other = await withSocket();
    expect(await other.tcp('[method]tcp-socket.connect', ipv4('127.0.0.1:1'))).toEqual(err('access-denied'));
  });

  it('neither binds nor listens', async () => {
    const { tcp } = await withSocket();
    expect(await tcp('[method]tcp-socket.bind', ipv4('0.0.0.0:0'))).toEqual(err('access-denied'));
    expect(await tcp('[method]tcp-socket.bind', ipv4('239.0.0.1:0'))).toEqual(err('invalid-argument'));
    expect(await tcp('[method]tcp-socket.get-local-address')).toEqual(err('invalid-state'));
    expect(await tcp('[method]tcp-socket.listen')).toEqual(err('access-denied'));
    expect(await tcp('[method]tcp-socket.get-is-listening')).toBe(false);
    expect(await tcp('[method]tcp-socket.set-listen-backlog-size', 1n)).toStrictEqual(done);
    expect(await tcp('[method]tcp-socket.get-address-family')).toBe('ipv4');
  });

  it('keeps its settings', async () => {
    const { tcp } = await withSocket();
    expect(await tcp('[method]tcp-socket.set-keep-alive-enabled', true)).toStrictEqual(done);
    expect(await tcp('[method]tcp-socket.get-keep-alive-enabled')).toEqual({ ok: true });
    const settings = [
      ['[method]tcp-socket.set-keep-alive-idle-time', '[method]tcp-socket.get-keep-alive-idle-time', 5n, 5n],
      ['[method]tcp-socket.set-keep-alive-interval', '[method]tcp-socket.get-keep-alive-interval', 5n, 5n],
      ['[method]tcp-socket.set-keep-alive-count', '[method]tcp-socket.get-keep-alive-count', 5, 5],
      ['[method]tcp-socket.set-hop-limit', '[method]tcp-socket.get-hop-limit', 42, 42],
      ['[method]tcp-socket.set-receive-buffer-size', '[method]tcp-socket.get-receive-buffer-size', 5n, 65_536n],
      ['[method]tcp-socket.set-send-buffer-size', '[method]tcp-socket.get-send-buffer-size', 5n, 65_536n],
    ] as const;
    for (const [set, get, value, read] of settings) {
      expect(await tcp(set, typeof value === 'bigint' ? 0n : 0), set).toEqual(err('invalid-argument'));
      expect(await tcp(set, value), set).toStrictEqual(done);
      expect(await tcp(get), get).toEqual({ ok: read });
    }
  });
});

it('there are no udp-sockets', async () => {
  const { guest } = await withSocket();
  expect(await guest.call(types, '[static]udp-socket.create', 'ipv4')).toEqual(err('access-denied'));
  const socket = guest.process.component.handles.add(hostResource(types, 'udp-socket'), {});
  const udp = (name: string, ...values: readonly unknown[]) => guest.call(types, name, socket, ...values);
  const address = ipv4('127.0.0.1:1');
  for (const [name, ...values] of [
    ['[method]udp-socket.bind', address],
    ['[method]udp-socket.connect', address],
    ['[method]udp-socket.disconnect'],
    ['[method]udp-socket.send', 'x', null],
    ['[method]udp-socket.receive'],
    ['[method]udp-socket.get-local-address'],
    ['[method]udp-socket.get-remote-address'],
    ['[method]udp-socket.get-unicast-hop-limit'],
    ['[method]udp-socket.set-unicast-hop-limit', 1],
    ['[method]udp-socket.get-receive-buffer-size'],
    ['[method]udp-socket.set-receive-buffer-size', 1n],
    ['[method]udp-socket.get-send-buffer-size'],
    ['[method]udp-socket.set-send-buffer-size', 1n],
  ] as const)
    expect(await udp(name, ...values), name).toEqual(err('access-denied'));
  await expect(udp('[method]udp-socket.get-address-family')).rejects.toThrow('there are no UDP sockets');
  await guest.call(types, '[resource-drop]udp-socket', socket);
});

describe('ip-name-lookup', () => {
  it('resolves names and addresses', async () => {
    const { guest } = await withSocket(['127.0.0.1:80'], { lookup: async () => ['192.0.2.7', '127.0.0.1'] });
    const resolve = (name: string) => guest.call('wasi:sockets/ip-name-lookup@0.3', 'resolve-addresses', name);
    expect(await resolve('192.0.2.1')).toEqual({ ok: [{ tag: 'ipv4', value: [192, 0, 2, 1] }] });
    expect(await resolve('no name')).toEqual(err('invalid-argument'));
    expect(await resolve('example.com')).toBeDefined();
  });
});
