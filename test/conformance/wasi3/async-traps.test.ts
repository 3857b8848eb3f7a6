/**
 * Wrong handles, places and states at functions of asynchronous calls, one for each `trap_if` of CanonicalABI.md from
 * "canon waitable-set.wait" to "canon error-context.drop" that async.test.ts does not meet in passing. Those that the
 * linker's code checks are in the scripts of fixtures/guests/component/scripts.
 */
import { describe, expect, it } from 'vitest';
import { ComponentGuest, rowOf } from '../../support/component-guest.ts';

const blocked = -1;

/** A guest with one handle of each kind. */
async function everyKind() {
  const guest = new ComponentGuest();
  const canon = (name: string, ...args: readonly number[]) => guest.canon(name, ...args);
  const set = (await canon('waitable-set.new')) as number;
  const context = (await canon('error-context.new', 0, 0)) as number;
  const stream = await guest.ends('stream', 'u8');
  const future = await guest.ends('future', 'u8');
  const start = rowOf('wasi:clocks/monotonic-clock@0.3', '[async-lower]wait-for').run as unknown as (
    ...all: readonly unknown[]
  ) => number;
  const subtask = start(guest.process, 3_600_000_000_000n) >> 4;
  const past = guest.process.memory.all.length;
  return { canon, set, context, stream, future, subtask, past };
}

type Kinds = Awaited<ReturnType<typeof everyKind>>;
type Case = readonly [what: string, message: string, act: (kinds: Kinds) => Promise<unknown>];

describe('a guest traps', () => {
  const cases: readonly Case[] = [
    [
      'that waits for no set',
      'not a waitable-set',
      ({ canon, stream }) => canon('waitable-set.wait', stream.readable, 0),
    ],
    ['that polls no set', 'not a waitable-set', ({ canon, subtask }) => canon('waitable-set.poll', subtask, 0)],
    ['that drops no set', 'not a waitable-set', ({ canon, context }) => canon('waitable-set.drop', context)],
    [
      'that joins no set',
      'not a waitable-set',
      ({ canon, stream, subtask }) => canon('waitable.join', stream.readable, subtask),
    ],
    [
      'that joins a set to a set',
      'nothing that can be waited for',
      ({ canon, set }) => canon('waitable.join', set, set),
    ],
    [
      'that joins what is no waitable',
      'nothing that can be waited for',
      ({ canon, set, context }) => canon('waitable.join', context, set),
    ],
    [
      'whose event lies outside',
      'outside the memory',
      ({ canon, set, past }) => canon('waitable-set.poll', set, past - 4),
    ],
    ['that cancels no subtask', 'not a subtask', ({ canon, future }) => canon('subtask.cancel', future.readable)],
    ['that drops no subtask', 'not a subtask', ({ canon, set }) => canon('subtask.drop', set)],
    [
      'that reads a future as a stream',
      'not a readable end of stream<u8>',
      ({ canon, future }) => canon('stream.read async u8', future.readable, 0, 1),
    ],
    [
      'that reads a stream of other values',
      'not a readable end of stream<s8>',
      ({ canon, stream }) => canon('stream.read async s8', stream.readable, 0, 1),
    ],
    [
      'that writes to a readable end',
      'not a writable end',
      ({ canon, stream }) => canon('stream.write async u8', stream.readable, 0, 1),
    ],
    [
      'that reads a writable end of a future',
      'not a readable end',
      ({ canon, future }) => canon('future.read async u8', future.writable, 0),
    ],
    [
      'that cancels a read of a writable end',
      'not a readable end',
      ({ canon, stream }) => canon('stream.cancel-read u8', stream.writable),
    ],
    [
      'that cancels a read that nobody has begun',
      'not in progress',
      ({ canon, stream }) => canon('stream.cancel-read u8', stream.readable),
    ],
    [
      'that cancels a write that nobody has begun',
      'not in progress',
      ({ canon, future }) => canon('future.cancel-write u8', future.writable),
    ],
    [
      'that drops a writable end as a readable one',
      'not a readable end',
      ({ canon, stream }) => canon('stream.drop-readable u8', stream.writable),
    ],
    [
      'that drops a readable end as a writable one',
      'not a writable end',
      ({ canon, future }) => canon('future.drop-writable u8', future.readable),
    ],
    [
      'whose value lies outside',
      'outside the memory',
      ({ canon, future, past }) => canon('future.write async u8', future.writable, past),
    ],
    ['whose error lies outside', 'outside the memory', ({ canon, past }) => canon('error-context.new', past - 1, 2)],
    [
      'whose message would lie outside',
      'outside the memory',
      ({ canon, context, past }) => canon('error-context.debug-message', context, past - 4),
    ],
    [
      'that asks something else for its message',
      'not an error-context',
      ({ canon, set }) => canon('error-context.debug-message', set, 0),
    ],
    [
      'that drops something else as an error',
      'not an error-context',
      ({ canon, set }) => canon('error-context.drop', set),
    ],
  ];
  it.each(cases)('%s', async (_what, message, act) => {
    const kinds = await everyKind();
    await expect(act(kinds)).rejects.toThrow(message);
  });

  it('that has more backpressure than 65,535', () => {
    const { process } = new ComponentGuest();
    const run = rowOf('trisiel:component/async', 'backpressure.inc').run as unknown as (guest: unknown) => undefined;
    for (let count = 0; count < 65_535; count += 1) run(process);
    expect(() => run(process)).toThrow('backpressure of 65536');
  });

  it.each([
    ['reads', 'drop-writable', 'read', 'readable', 'writable'],
    ['writes', 'drop-readable', 'write', 'writable', 'readable'],
  ] as const)('that %s when it knows that the other end is gone', async (_what, drop, use, side, other) => {
    const { canon, stream, set } = await everyKind();
    await canon('waitable.join', stream[side], set);
    await canon(`stream.${drop} u8`, stream[other]);
    expect(await canon('waitable-set.poll', set, 0)).toBe(use === 'read' ? 2 : 3);
    await expect(canon(`stream.${use} async u8`, stream[side], 0, 1)).rejects.toThrow('end is done');
  });

  it('never for the place of no values', async () => {
    const { canon, stream, past } = await everyKind();
    expect(await canon('stream.read async u8', stream.readable, past + 1, 0)).toBe(blocked);
    expect(await canon('stream.write async u8', stream.writable, past + 1, 0)).toBe(0);
  });
});
