import type { ServerResponse } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { Errno } from '../../../../src/guest/kernel/errno.ts';
import { networkLimits } from '../../../../src/guest/kernel/net/network.ts';
import { ConnectionSlots } from '../../../../src/guest/kernel/net/slots.ts';
import {
  cleanUp,
  exchange,
  gate,
  httpServer,
  open,
  opened,
  readAll,
  staysPending,
  tcpServer,
  world,
  worldOf,
  write,
} from '../../../support/net.ts';

afterEach(cleanUp);

/** A server that answers when told to. */
async function slowServer() {
  const responses: ServerResponse[] = [];
  let arrived = gate();
  const at = await httpServer((_request, response) => {
    responses.push(response);
    arrived.open();
  });
  return {
    at,
    responses,
    /** Waits until `count` requests have arrived. */
    async until(count: number) {
      while (responses.length < count) {
        arrived = gate();
        if (responses.length < count) await arrived.opened;
      }
    },
  };
}

describe('connections of a handler', () => {
  it('that are made while the handler goes are closed', async () => {
    const arrived = gate();
    const closed = gate();
    const at = await tcpServer((socket) => {
      arrived.open();
      socket.on('close', closed.open).resume();
    });
    const found = gate();
    const lookup = async () => {
      await found.opened;
      return [{ address: '127.0.0.1', family: 4 }];
    };
    const [, port = ''] = at.split(':');
    const { network } = world([`late.test:${port}`], { lookup });
    const opening = network
      .open({
        ...{ host: { kind: 'name', name: 'late.test' }, port: Number(port), tls: null, halfOpen: false },
        signal: new AbortController().signal,
      })
      .then(
        () => 'opened',
        (error: { readonly errno: number }) => error.errno,
      );
    network.close();
    found.open();
    expect(await opening).toBe(Errno.closed);
    await arrived.opened;
    await closed.opened;
  });

  it('are limited: the next waits in line until one is done, and leaves the line with its Process', async () => {
    const server = await slowServer();
    const { process, network } = world([server.at], { limits: { connectionsPerHandlerMax: 2 } });
    const get = async (guest = process()) => {
      const resource = await opened(guest, `http://${server.at}`);
      await write(resource, 'GET / HTTP/1.1\n\n');
      return { resource, guest, flushed: Promise.resolve(resource.flush()) };
    };
    const first = await get();
    await server.until(1);
    const second = await get();
    await server.until(2);
    const third = await get();
    const fourth = await get();
    expect(await staysPending(fourth.flushed)).toBe(true);
    expect(network.connections).toBe(2);
    third.guest.kill({ kind: 'deadline', timeoutMs: 1 });
    expect(await third.flushed).toBe(Errno.closed);
    server.responses[0]?.end('one');
    expect(await first.flushed).toBe(0);
    await server.until(3);
    for (const response of server.responses.slice(1)) response.end('ok');
    expect(await second.flushed).toBe(0);
    expect(await fourth.flushed).toBe(0);
    expect((await readAll(fourth.resource)).text).toMatch(/ok$/);
    expect(server.responses).toHaveLength(3);
  });

  it('that are idle make room for another target, and for another handler', async () => {
    const one = await httpServer((_request, response) => response.end('1'));
    const two = await httpServer((_request, response) => response.end('2'));
    const first = world([one, two], { limits: { connectionsMax: 1, connectionsPerHandlerMax: 1 } });
    const second = worldOf(first.network.egress);
    const get = async ({ process }: typeof first, at: string) =>
      (await exchange(await opened(process(), `http://${at}`), 'GET / HTTP/1.1\n\n')).text.at(-1);
    expect(await get(first, one)).toBe('1');
    expect(first.network.connections).toBe(1);
    expect(await get(first, two)).toBe('2');
    expect(await get(second, one)).toBe('1');
    expect(first.network.connections).toBe(0);
    expect(await get(first, one)).toBe('1');
  });

  it('count for tcp and ws too', async () => {
    const at = await tcpServer(() => {});
    const { process } = world([at], { limits: { connectionsPerHandlerMax: 1 } });
    const first = await opened(process(), `tcp://${at}`);
    const opening = open(process(), `tcp://${at}`);
    expect(await staysPending(opening)).toBe(true);
    first.close();
    expect(typeof (await opening)).toBe('object');
  });

  it('all end when the handler’s network is closed', async () => {
    const left = gate();
    const at = await tcpServer((socket) => socket.on('close', left.open).resume());
    const { process, network } = world([at], { limits: { connectionsPerHandlerMax: 1 } });
    const resource = await opened(process(), `tcp://${at}`);
    const opening = open(process(), `tcp://${at}`);
    network.close();
    expect(await opening).toBe(Errno.closed);
    await left.opened;
    expect((await readAll(resource)).errno).toBe(Errno.closed);
    expect(await open(process(), `tcp://${at}`)).toBe(Errno.closed);
  });
});

describe('a slot given back', () => {
  it('goes to the waiting handler that holds the fewest, first come first served within a handler', async () => {
    const slots = new ConnectionSlots({ max: 4, perShareMax: 3 });
    const { signal } = new AbortController();
    const rich = slots.share(() => false);
    const poor = slots.share(() => false);
    const held = [await rich.acquire(signal), await rich.acquire(signal), await rich.acquire(signal)];
    const last = await poor.acquire(signal);
    const order: string[] = [];
    const wait = async (name: string, share: typeof rich) => {
      const slot = await share.acquire(signal);
      order.push(name);
      return slot;
    };
    const waiting = [wait('rich 1', rich), wait('rich 2', rich), wait('poor 1', poor)];
    held[0]?.release();
    await waiting[2];
    expect(order).toEqual(['poor 1']);
    // Given back twice counts once.
    held[0]?.release();
    held[1]?.release();
    await waiting[0];
    last.release();
    await waiting[1];
    expect(order).toEqual(['poor 1', 'rich 1', 'rich 2']);
    expect(slots.held).toBe(4);
  });
});

describe('an idle connection', () => {
  it('is wanted by waiting calls of its handler, and of others only where the runner has no slot left', async () => {
    const slots = new ConnectionSlots({ max: 3, perShareMax: 1 });
    const ending = new AbortController();
    const [full, idle, last] = [slots.share(() => false), slots.share(() => false), slots.share(() => false)];
    await full.acquire(ending.signal);
    await idle.acquire(ending.signal);
    const waiting = full.acquire(ending.signal).catch(() => 'ended');
    expect([slots.isWanted(full), slots.isWanted(idle)]).toEqual([true, false]);
    await last.acquire(ending.signal);
    expect(slots.isWanted(idle)).toBe(true);
    ending.abort();
    expect(await waiting).toBe('ended');
  });
});

describe('a Process', () => {
  it('has so many network resources open and no more, until it closes one', async () => {
    const process = world([]).process();
    const all = [];
    for (let i = 0; i < networkLimits.perProcessMax; i += 1) all.push(await opened(process, 'http:'));
    for (let i = 0; i < 1000; i += 1) expect(await open(process, 'http:')).toBe(Errno.tooManyOpen);
    expect(await open(process, 'tcp://x.example:1')).toBe(Errno.tooManyOpen);
    expect(await open(process, 'ws://x.example/')).toBe(Errno.tooManyOpen);
    all[0]?.close();
    expect(typeof (await open(process, 'http:'))).toBe('object');
  });

  it('keeps no place for an open that failed', async () => {
    const process = world([]).process();
    for (let i = 0; i < networkLimits.perProcessMax + 1; i += 1)
      expect(await open(process, `${i % 2 === 0 ? 'ws' : 'tcp'}://127.0.0.1:1`)).toBe(Errno.denied);
  });
});

describe('request bodies', () => {
  it('of all invocations of a handler are held within one limit, and given back at the end', async () => {
    const { process, network } = world(['127.0.0.1:9']);
    const body = Buffer.alloc(1_000_000);
    const guests = [];
    let result = 0;
    while (result >= 0) {
      const guest = process();
      guests.push(guest);
      const resource = await opened(guest, 'http://127.0.0.1:9');
      await write(resource, 'POST / HTTP/1.1\n\n');
      result = await write(resource, body);
    }
    expect(result).toBe(Errno.noSpace);
    expect(guests.length).toBe(68);
    expect(guests.at(-1)?.lines[0]).toMatch(/hold more than 67108864 bytes of request bodies/);
    for (const guest of guests) {
      guest.kill({ kind: 'exit', status: 0 });
      await guest.closeAll();
    }
    expect(network.buffers.held).toBe(0);
  });
});
