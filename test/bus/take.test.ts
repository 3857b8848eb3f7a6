import { afterAll, beforeAll, expect, test } from 'vitest';
import type { NatsServer } from '../../src/bin/nats-server.ts';
import { Bus } from '../../src/bus/bus.ts';
import { subjects } from '../../src/bus/limits.ts';
import { onCluster, temporaryNats } from '../support/nats.ts';

onCluster('what is taken from the stream', () => {
  let nats: NatsServer;
  let bus: Bus;
  beforeAll(async () => {
    nats = await temporaryNats();
    bus = new Bus({ url: nats.url, name: 'test', role: 'control', report: () => {} });
    await bus.ready(60_000);
    await bus.makeStream();
  });
  afterAll(async () => {
    await bus?.close();
    await nats?.close();
  });

  test('ends with the connection, and is there for who takes again', async () => {
    const taken = await bus.take('node', () => {});
    await bus.store(subjects.reports('node'), new Uint8Array([1]), 'first');
    const first = taken.messages[Symbol.asyncIterator]();
    expect([...(await first.next()).value!.data]).toEqual([1]);
    await nats.kill();
    expect((await first.next()).done).toBe(true);

    await nats.start();
    await bus.ready(60_000);
    const again = await bus.take('node', () => {});
    for await (const message of again.messages) {
      expect([...message.data]).toEqual([1]);
      message.ack();
      break;
    }
    again.stop();
  });
});
