/** A push that is recorded for other controls, on its way through git's hooks. */
import { expect, test } from 'vitest';
import { WatchedSession } from '../../../src/control/git/watched-session.ts';
import type { PushedObjects } from '../../../src/protocol/push.ts';

function watched(work: () => Promise<void>) {
  const steps: string[] = [];
  const step = (name: string) => async (): Promise<void> => void steps.push(name);
  const session = new WatchedSession(
    { preReceive: async () => true, postReceive: work, ended: async () => {} },
    {
      record: { begin: step('begin'), prepare: step('prepare'), commit: step('commit'), giveUp: step('give up') },
      updates: [],
    },
  );
  const accept = () => session.preReceive({} as PushedObjects, () => {}, new AbortController().signal);
  return { session, steps, accept };
}

test('a post-receive that still works when git has ended is waited for: its Release and its record are one', async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { session, steps, accept } = watched(() => promise);
  await accept();
  const working = session.postReceive(() => {});
  const settled = session.settle();
  await Promise.resolve();
  resolve();
  await Promise.all([working, settled]);
  expect(steps).toEqual(['begin', 'prepare', 'commit']);
  expect(session.lost).toBeNull();
});

test('a post-receive that comes after the push was taken back makes nothing', async () => {
  let hasWorked = false;
  const { session, steps, accept } = watched(async () => {
    hasWorked = true;
  });
  await accept();
  await session.settle();
  await session.postReceive(() => {});
  expect([hasWorked, steps]).toEqual([false, ['begin', 'give up']]);
  expect(session.lost).toMatchObject({ code: 'unavailable' });
});
