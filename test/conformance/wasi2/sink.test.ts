import { expect, it } from 'vitest';
import { permitBytesMax, sinkOf, usedSinkOf } from '../../../src/guest/kernel/abi/wasi2/io/sink.ts';
import type { Resource } from '../../../src/guest/kernel/resource.ts';
import { ComponentGuest } from '../../support/component-guest.ts';

const resource: Resource = {
  scheme: 'null',
  read: () => 0,
  write: ({ length }) => length,
  flush: () => 0,
  close: () => 0,
};

it('streams of one Resource share a sink, which is forgotten when the last of them has gone', () => {
  const guest = new ComponentGuest().process;
  const sink = sinkOf(guest, resource);
  expect(sinkOf(guest, resource)).toBe(sink);
  sink.leave();
  expect(usedSinkOf(guest, resource)).toBe(sink);
  sink.leave();
  expect(usedSinkOf(guest, resource)).toBeUndefined();
});

it('a sink with a write in progress is not forgotten before it has ended', async () => {
  const guest = new ComponentGuest().process;
  const sink = sinkOf(guest, resource);
  const written = Promise.withResolvers<void>();
  sink.next(() => written.promise);
  sink.leave();
  expect(usedSinkOf(guest, resource)).toBe(sink);
  const { pending } = sink;
  written.resolve();
  await pending;
  expect(usedSinkOf(guest, resource)).toBeUndefined();
});

it('a stream leaves its sink when it is dropped, once', async () => {
  const guest = new ComponentGuest();
  const { stdout } = guest.process.options;
  const first = await guest.call('wasi:cli/stdout@0.2', 'get-stdout');
  const second = await guest.call('wasi:cli/stdout@0.2', 'get-stdout');
  expect(usedSinkOf(guest.process, stdout)).toBeDefined();
  await guest.call('wasi:io/streams@0.2', '[resource-drop]output-stream', first);
  expect(usedSinkOf(guest.process, stdout)).toBeDefined();
  await guest.call('wasi:io/streams@0.2', '[resource-drop]output-stream', second);
  expect(usedSinkOf(guest.process, stdout)).toBeUndefined();
});

it('while a write is in progress there is no room, and the wait for it ends with the write', async () => {
  const guest = new ComponentGuest().process;
  const written = Promise.withResolvers<void>();
  let isFull = true;
  const slow: Resource = {
    ...resource,
    write: ({ length }) => (isFull ? written.promise.then(() => ({ done: 0 })) : length) as never,
  };
  const sink = sinkOf(guest, slow);
  expect(sink.room()).toBe(permitBytesMax);
  expect(sink.roomLater()).toBeNull();
  sink.write(guest, Buffer.from('waits'));
  expect(sink.pendingBytes).toBe(5);
  expect(sink.room()).toBe(0);
  const later = sink.roomLater();
  expect(later).not.toBeNull();
  isFull = false;
  written.resolve();
  await later;
  expect(sink.pendingBytes).toBe(0);
  expect(sink.room()).toBe(permitBytesMax);
  expect(sink.roomLater()).toBeNull();
});
