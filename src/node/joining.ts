/** How a node joins: a control tells it what it must know, or it goes on with what it was told at an earlier start. */
import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { type Joined, joinedSchema } from '../bus/messages.ts';
import { PlatformError } from '../protocol/errors.ts';
import { keepContact, lastContactMs } from './contact.ts';
import type { Controls } from './controls.ts';
import { nodeLimits } from './limits.ts';
import type { ReleaseCache } from './release-cache.ts';

/**
 * Asks the controls, for up to `joinMs` milliseconds, and keeps the answer. When none can be reached, returns the
 * answer of an earlier start with the same token, unless the last contact is longer ago than `nodeLimits.cutOffMs`.
 * Throws `unauthorized` when the token is not valid, `unavailable` when no control can be reached and nothing may be
 * gone on with.
 */
export async function joinCluster({
  controls,
  cache,
  token,
  joinMs,
}: {
  readonly controls: Pick<Controls, 'join' | 'resume' | 'urls'>;
  readonly cache: ReleaseCache;
  readonly token: string;
  readonly joinMs: number;
}): Promise<Joined> {
  // Tells whose the data folder is, without the token itself.
  const digest = createHash('sha256').update(token).digest('hex');
  const endMs = performance.now() + joinMs;
  for (;;) {
    try {
      const joined = await controls.join();
      cache.setFact('joined', JSON.stringify(joined));
      cache.setFact('joined by', digest);
      // A node that is stopped before its first watch may start without any control, too.
      keepContact(cache, Date.now());
      return joined;
    } catch (error) {
      if (!(error instanceof PlatformError && error.code === 'unavailable')) throw error;
      if (performance.now() < endMs) {
        await delay(nodeLimits.retryMs);
        continue;
      }
      const known = cache.fact('joined');
      if (known === null || Date.now() - lastContactMs(cache) > nodeLimits.cutOffMs)
        throw new PlatformError('unavailable', `no control can be reached: ${controls.urls.join(', ')}`, {
          hints: ['check that one runs, and that its URL in TRISIEL_JOIN can be reached from this machine'],
          cause: error,
        });
      // Otherwise two nodes would have one id. Absent: kept by an earlier version.
      if ((cache.fact('joined by') ?? digest) !== digest)
        throw new PlatformError('unavailable', 'no control can be reached, and this data folder is of another node', {
          hints: ['give each node a data folder of its own (TRISIEL_DATA), not a copy of another one'],
          cause: error,
        });
      const joined = joinedSchema.parse(JSON.parse(known));
      controls.resume(joined.epoch);
      return joined;
    }
  }
}
