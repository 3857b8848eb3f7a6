import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import type { FromRunner } from '../../src/protocol/messages.ts';
import { type Channel, ControlAway, ControlLink } from '../../src/runner/control-link.ts';
import { busRequestsMax } from '../../src/runner/limits.ts';

type Sent = (error: Error | null) => void;

/** node:child_process's end of a channel, whose writes a test lets succeed or fail. */
class FakeChannel extends EventEmitter {
  connected = true;
  readonly messages: FromRunner[] = [];
  readonly written: Sent[] = [];

  send(message: FromRunner, _handle: undefined, _options: undefined, sent: Sent): boolean {
    this.messages.push(message);
    this.written.push(sent);
    return true;
  }
}

function open() {
  const channel = new FakeChannel();
  const link = new ControlLink(channel as unknown as Channel, { message: () => {}, lost: () => {} });
  return { channel, link };
}

const logs = { kind: 'logs', batch: 1, blocks: [], dropped: {} } as const;

describe('a batch for control', () => {
  it('counts as stored when control has stored it, not when it was written', () => {
    const { channel, link } = open();
    const fates: string[] = [];
    expect(link.deliver(logs, (fate) => fates.push(fate))).toBe(true);
    channel.written[0]?.(null);
    expect(fates).toEqual([]);
    channel.emit('message', { kind: 'received', number: 1, isLost: false });
    channel.emit('message', { kind: 'received', number: 1, isLost: false });
    expect(fates).toEqual(['stored']);
  });

  it('fails, once, when its write fails', () => {
    const { channel, link } = open();
    const fates: string[] = [];
    link.deliver(logs, (fate) => fates.push(fate));
    channel.written[0]?.(new Error('EPIPE'));
    expect(fates).toEqual(['failed']);
    channel.emit('disconnect');
    expect(fates).toEqual(['failed']);
  });

  it('fails when control ends before it answers, and is not taken afterwards', () => {
    const { channel, link } = open();
    const fates: string[] = [];
    link.deliver(logs, (fate) => fates.push(fate));
    channel.written[0]?.(null);
    channel.connected = false;
    channel.emit('disconnect');
    expect(fates).toEqual(['failed']);
    expect(link.deliver(logs, (fate) => fates.push(fate))).toBe(false);
    expect(fates).toEqual(['failed']);
  });

  it('is not taken any more once control has said that it ends', () => {
    const { channel, link } = open();
    link.leave();
    expect(link.deliver(logs, () => {})).toBe(false);
    expect(channel.messages).toEqual([]);
  });
});

describe('a call of control', () => {
  it('fails as ControlAway when control ends, or has ended', async () => {
    const { channel, link } = open();
    const asked = link.request({ op: 'kv.get', preview: null, handlerId: 'h' as never, bucket: 'b', key: 'k' });
    channel.connected = false;
    channel.emit('disconnect');
    await expect(asked).rejects.toBeInstanceOf(ControlAway);
    await expect(
      link.request({ op: 'kv.get', preview: null, handlerId: 'h' as never, bucket: 'b', key: 'k' }),
    ).rejects.toBeInstanceOf(ControlAway);
  });

  it('gets the bytes that came in parts before the reply', async () => {
    const { channel, link } = open();
    const asked = link.request({ op: 'artifact.get', name: 'a' });
    const part = (id: number, offset: number, text: string) =>
      channel.emit('message', { kind: 'part', id, part: { offset, totalBytes: 5, bytes: Buffer.from(text) } });
    part(1, 0, 'abc');
    part(2, 0, 'of nobody'); // Of a request that has failed meanwhile.
    part(1, 3, 'de');
    channel.emit('message', { kind: 'reply', id: 1, ok: true, value: null });
    expect(Buffer.from((await asked)!).toString()).toBe('abcde');
  });

  it('is refused while as many wait as may, and taken again after a reply', async () => {
    const { channel, link } = open();
    const ask = () => link.request({ op: 'kv.get', preview: null, handlerId: 'h' as never, bucket: 'b', key: 'k' });
    const first = ask();
    const others = Array.from({ length: busRequestsMax - 1 }, ask);
    const tooMany = ask();
    tooMany.catch(() => {});
    expect(channel.messages).toHaveLength(busRequestsMax);
    await expect(tooMany).rejects.toThrow('too many calls wait');
    channel.emit('message', { kind: 'reply', id: 1, ok: true, value: null });
    expect(await first).toBeNull();
    others.push(ask());
    expect(channel.messages).toHaveLength(busRequestsMax + 1);
    channel.emit('disconnect');
    const ends = await Promise.allSettled(others);
    expect(ends.every(({ status }) => status === 'rejected')).toBe(true);
  });
});
