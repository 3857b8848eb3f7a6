/** What a node knows of the others, from their messages and by its own clock. */
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { BusMessage } from '../../src/bus/bus.ts';
import { encodeMessage } from '../../src/bus/codec.ts';
import { busLimits, subjects } from '../../src/bus/limits.ts';
import { type Alive, kinds } from '../../src/bus/messages.ts';
import { nodeLimits } from '../../src/node/limits.ts';
import { type Peer, Peers, type Tried } from '../../src/node/peers.ts';
import { tryPort } from '../../src/node/try-port.ts';

let isConnected: boolean;
let hear: (message: BusMessage) => void;
let changes: number;
/** Result of each attempt to connect, and the URLs of those that were made. */
let result: Tried;
let tried: string[];
let peers: Peers;

function make(known: readonly Peer[] = []): Peers {
  return new Peers({
    bus: {
      get isConnected() {
        return isConnected;
      },
      subscribe: (_subject, listener) => {
        hear = listener;
      },
    },
    self: { id: 'self', labels: { zone: 'eu' } },
    known,
    tryPort: async (url) => {
      tried.push(url);
      return result;
    },
    onChange: () => {
      changes += 1;
    },
  });
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
  isConnected = true;
  changes = 0;
  result = 'listens';
  tried = [];
  peers = make();
});
afterEach(() => {
  peers.close();
  vi.useRealTimers();
});

function say(id: string, facts: Partial<Alive> = {}, subject = subjects.alive(id)): void {
  const alive: Alive = {
    ...{ id, epoch: 1, bootId: 'b', version: '1', url: `http://${id}:3003`, host: id, port: 3003 },
    ...{ revision: 1, isServing: true, isStale: false, sinceMs: 1, labels: 0, calls: 0, runners: [] },
    ...facts,
  };
  hear({ subject, data: encodeMessage(kinds.alive, alive), answer: () => {} });
}
const ids = (): readonly string[] => peers.known().map(({ id }) => id);

test('a node that serves counts until it stops, or is silent for as long as a lease lasts', async () => {
  say('b', { nodeLabels: { zone: 'us' } });
  say('a', { isServing: false });
  say('c', {}, subjects.alive('b'));
  say('self');
  expect(peers.known()).toEqual([{ id: 'b', labels: { zone: 'us' }, url: 'http://b:3003' }]);
  say('a');
  expect([ids(), changes]).toEqual([['a', 'b'], 2]);
  await vi.advanceTimersByTimeAsync(busLimits.leaseMs - nodeLimits.peersMs);
  say('a');
  expect(changes).toBe(2);
  await vi.advanceTimersByTimeAsync(2 * nodeLimits.peersMs);
  expect([ids(), changes]).toEqual([['a'], 3]);
  say('a', { isServing: false });
  expect([ids(), changes]).toEqual([[], 4]);
});

test('a node that is silent goes at once when nothing listens at its port, and before that nothing is tried', async () => {
  result = 'refused';
  say('a');
  say('b');
  await vi.advanceTimersByTimeAsync(nodeLimits.suspectMs - nodeLimits.peersMs);
  say('b');
  expect([ids(), tried]).toEqual([['a', 'b'], []]);
  await vi.advanceTimersByTimeAsync(2 * nodeLimits.peersMs);
  expect([ids(), tried]).toEqual([['b'], ['http://a:3003']]);
  say('a', { epoch: 2 });
  expect(ids()).toEqual(['a', 'b']);
});

test('a silent node whose port listens, or does not answer, has its whole lease; without the bus nothing is tried', async () => {
  for (const other of ['listens', 'unknown'] as const) {
    result = other;
    say('a');
    await vi.advanceTimersByTimeAsync(busLimits.leaseMs - nodeLimits.peersMs);
    expect(ids()).toEqual(['a']);
    expect(tried.splice(0).length).toBeGreaterThan(1);
    await vi.advanceTimersByTimeAsync(2 * nodeLimits.peersMs);
    expect(ids()).toEqual([]);
  }
  result = 'refused';
  say('a');
  isConnected = false;
  await vi.advanceTimersByTimeAsync(20 * busLimits.leaseMs);
  expect([ids(), tried]).toEqual([['a'], []]);
});

test('a port is tried by a connection', async () => {
  vi.useRealTimers();
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  expect(await tryPort(url)).toBe('listens');
  server.close();
  await once(server, 'close');
  expect(await tryPort(url)).toBe('refused');
  expect(await tryPort('http://name.invalid:3003')).toBe('unknown');
});

test('without the bus, what was known last stays, and each node has the time of a lease to come back', async () => {
  say('a');
  isConnected = false;
  await vi.advanceTimersByTimeAsync(20 * busLimits.leaseMs);
  expect(ids()).toEqual(['a']);
  isConnected = true;
  await vi.advanceTimersByTimeAsync(busLimits.leaseMs - nodeLimits.peersMs);
  expect(ids()).toEqual(['a']);
  await vi.advanceTimersByTimeAsync(2 * nodeLimits.peersMs);
  expect(ids()).toEqual([]);
});

test('nodes of the last start count until they are heard again or their leases end', async () => {
  peers.close();
  peers = make([
    { id: 'a', labels: { zone: 'eu' }, url: 'http://a:1' },
    { id: 'self', labels: {}, url: 'http://self:1' },
  ]);
  expect(ids()).toEqual(['a']);
  say('a', { epoch: 3, nodeLabels: { zone: 'eu' }, url: 'http://a:1' });
  expect(changes).toBe(0);
  // What a process that was replaced still says does not count.
  say('a', { epoch: 2, isServing: false });
  expect(ids()).toEqual(['a']);
});

test('calls of a function go to its holders: URLs without a path, and only those that a proxy can follow', () => {
  const inUs = { handlerId: 'h', placement: { replicas: null, labels: { zone: 'us' } } };
  expect(peers.elsewhere(inUs)).toEqual({ nodes: [], labels: 'zone=us' });
  say('a', { nodeLabels: { zone: 'us' }, url: 'https://a.example/path?query' });
  say('b', { nodeLabels: { zone: 'us' }, url: 'gopher://b.example' });
  say('c', { nodeLabels: { zone: 'us' }, url: 'no URL\r\nx: y' });
  expect(peers.elsewhere(inUs)).toEqual({ nodes: ['https://a.example'], labels: 'zone=us' });
  expect(peers.elsewhere({ handlerId: 'h', placement: { replicas: 1, labels: { zone: 'eu' } } })).toBeNull();
});
