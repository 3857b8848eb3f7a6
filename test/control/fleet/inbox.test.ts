/** Messages of a runner that a guest may have taken over. */
import { expect, it } from 'vitest';
import type { Activity } from '../../../src/control/fleet/activity.ts';
import { Inbox, type InboxOptions } from '../../../src/control/fleet/inbox.ts';
import type { RunnerProcess } from '../../../src/control/fleet/runner-process.ts';
import type { FromRunner } from '../../../src/protocol/messages.ts';

/** Hands a message over. Returns what came of it. */
function receive(message: Readonly<Record<string, unknown>>): readonly string[] {
  const seen: string[] = [];
  const inbox = new Inbox({
    fleet: {
      onBlocks: async () => {
        seen.push('blocks');
        return 'stored';
      },
      onRunning: () => seen.push('running'),
      onUsage: async () => void seen.push('usage'),
    },
  } as unknown as InboxOptions);
  const runner = { runnerId: 'r', send: () => undefined } as unknown as RunnerProcess;
  const activity = { note: () => seen.push('activity') } as unknown as Activity;
  inbox.receive(runner, activity, message as unknown as FromRunner);
  return seen;
}

const logs = { kind: 'logs', number: 1, batch: 0, blocks: [], dropped: {} };
const usage = { kind: 'usage', number: 1, records: [], counts: [{ invocations: 1 }], running: {} };

it('are passed on where they are whole', () => {
  expect(receive(logs)).toEqual(['blocks']);
  expect(receive(usage)).toEqual(['activity', 'running', 'usage']);
});

it.each([
  ['blocks that are no list', { ...logs, blocks: { length: 0 } }],
  ['lost lines that are no object', { ...logs, dropped: 5 }],
  ['no lost lines', { ...logs, dropped: null }],
  ['a batch that is no number', { ...logs, batch: '0' }],
  ['a batch below 0', { ...logs, batch: -1 }],
  ['a batch beyond all numbers', { ...logs, batch: 2 ** 53 }],
  ['records that are no list', { ...usage, records: {} }],
  ['counts that are no list', { ...usage, counts: null }],
  ['a record that is nothing', { ...usage, records: [null] }],
  ['a count that is a text', { ...usage, counts: ['1'] }],
])('are an error with %s, and nothing of them is passed on', (_what, message) => {
  expect(() => receive(message)).toThrow(/^(?:logs without blocks|usage without lists)$/);
});
