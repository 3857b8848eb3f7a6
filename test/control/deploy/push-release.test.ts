/** What a push prints at its end when its version does not go live. */
import { expect, test } from 'vitest';
import { PushRelease, type PushReleaseParts } from '../../../src/control/deploy/push-release.ts';
import { PlatformError } from '../../../src/protocol/errors.ts';
import type { IncomingPush } from '../../../src/protocol/push.ts';

async function failing(
  findById: () => Promise<unknown>,
): Promise<{ readonly printed: string; readonly reports: number }> {
  let printed = '';
  let reports = 0;
  const parts = {
    handlers: { findById },
    rollouts: { goLive: () => Promise.reject(new PlatformError('not_found', 'no such handler')) },
    report: () => {
      reports += 1;
    },
  } as unknown as PushReleaseParts;
  const push = { handlerId: 'h', handlerName: 'swift', user: { name: 'ada' } } as unknown as IncomingPush;
  const release = new PushRelease(parts, push, { startMs: 0, isFirst: true });
  const row = { number: 2, ref: 'refs/heads/main', branch: '' };
  const print = (text: string) => {
    printed += text;
  };
  await release.deploy({ row } as never, print, () => expect.fail('it is not live'));
  return { printed: printed.replace(/\s+/g, ' '), reports };
}

test('a handler that was deleted for good during the push has no version that goes live later', async () => {
  const { printed, reports } = await failing(async () => null);
  expect(printed).toContain('swift was deleted for good during the push, with what was pushed');
  expect(printed).not.toContain('goes live as soon');
  expect(reports).toBe(0);
});

test.each([
  ['the handler is there', async () => ({ deletedMs: null })],
  ['nothing is known of it', () => Promise.reject(new Error('the database does not answer'))],
])('another failure says that the version goes live later: %s', async (_case, findById) => {
  const { printed, reports } = await failing(findById);
  expect(printed).toContain('v2 is stored; it goes live as soon as that is over');
  expect(reports).toBe(1);
});
