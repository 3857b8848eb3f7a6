/** State that tests of a file share, made anew for a test that is tried once more. */
import { beforeAll, beforeEach } from 'vitest';

/**
 * Runs `prepare` as beforeAll does, and before each further attempt of a test, after `end`: what the attempt before has left
 * (names that are taken, versions, files) does not make this one fail. `prepare` makes everything of its own and replaces
 * what it has made before; that of outer suites runs first.
 */
export function beforeAttempts(prepare: () => Promise<unknown>, end?: () => Promise<unknown>): void {
  beforeAll(async () => void (await prepare()));
  beforeEach(async ({ task }) => {
    if ((task.result?.retryCount ?? 0) === 0) return;
    await end?.();
    await prepare();
  });
}
