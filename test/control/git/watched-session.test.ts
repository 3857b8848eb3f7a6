/** A push that is recorded for other controls, on its way through git. */
import { expect, test } from 'vitest';
import { ObjectTime } from '../../../src/control/git/object-time.ts';
import { WatchedSession } from '../../../src/control/git/watched-session.ts';
import type { PushedObjects } from '../../../src/protocol/push.ts';

function watched(work: () => Promise<void>, stillMay: () => Promise<void> = async () => {}) {
  const steps: string[] = [];
  const step = (name: string) => async (): Promise<void> => void steps.push(name);
  const session = new WatchedSession(
    { preReceive: async () => true, refsMoved: work, ended: async () => {} },
    {
      record: { begin: step('begin'), prepare: step('prepare'), commit: step('commit'), giveUp: step('give up') },
      updates: [],
      stillMay,
      objectTime: new ObjectTime(600_000),
    },
  );
  const accept = () => session.preReceive({} as PushedObjects, () => {}, new AbortController().signal);
  return { session, steps, accept };
}

test('a push whose refs git has moved is recorded with its Release', async () => {
  const { session, steps, accept } = watched(async () => {});
  await accept();
  await session.refsMoved(() => {});
  await session.settle();
  expect(steps).toEqual(['begin', 'prepare', 'commit']);
  expect(session.lost).toBeNull();
});

test('a push whose hook has gone while it was checked is not accepted: nothing is to be taken back', async () => {
  const gone = new AbortController();
  const { session, steps } = watched(
    async () => {},
    async () => gone.abort(),
  );
  expect(await session.preReceive({} as PushedObjects, () => {}, gone.signal)).toBe(false);
  await session.settle();
  expect([session.accepted, steps]).toEqual([false, []]);
});

test('a push whose refs git has not moved is taken back, once', async () => {
  const { session, steps, accept } = watched(async () => {});
  await accept();
  await session.settle();
  await session.settle();
  expect(steps).toEqual(['begin', 'give up']);
  expect(session.lost).toMatchObject({ code: 'unavailable' });
});

test('what is read of the objects counts as time of git', async () => {
  const objectTime = new ObjectTime(1);
  const session = new WatchedSession(
    {
      preReceive: async (objects) => (await objects.read('', 1)).length > 0,
      refsMoved: async () => {},
      ended: async () => {},
    },
    { record: null, updates: [], stillMay: async () => {}, objectTime },
  );
  const read = () =>
    new Promise<Uint8Array>((_, reject) =>
      objectTime.over.addEventListener('abort', () => reject(objectTime.over.reason)),
    );
  const push = session.preReceive({ read } as unknown as PushedObjects, () => {}, new AbortController().signal);
  await expect(push).rejects.toMatchObject({ code: 'limit_exceeded' });
});
