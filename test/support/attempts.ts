/** State that tests of a file share, made anew for a test that is tried once more. */
import { beforeAll, beforeEach, test } from 'vitest';

/**
 * Runs `prepare` as beforeAll does, and before each further attempt of a test, after `end`: what the attempt before has
 * left (names that are taken, versions, files) does not make this one fail. `prepare` makes everything of its own and
 * replaces what it has made before; that of outer suites runs first.
 */
export function beforeAttempts(prepare: () => Promise<unknown>, end?: () => Promise<unknown>): void {
  beforeAll(async () => void (await prepare()));
  beforeEach(async ({ task }) => {
    if ((task.result?.retryCount ?? 0) === 0) return;
    await end?.();
    await prepare();
  });
}

/**
 * Tests in the order of a story, each of which needs what those before it have done: a test that is tried once more, in
 * the state that beforeAttempts makes anew, plays those before it first. Returns a function that registers one; all are
 * registered in the same suite, since those of inner ones are registered later.
 */
export function story(): (name: string, run: () => Promise<void>) => void {
  const chapters: (() => Promise<void>)[] = [];
  /** Number of chapters that the state at hand has seen. */
  let played = 0;
  return (name, run) => {
    const index = chapters.push(run) - 1;
    test(name, async ({ task }) => {
      if ((task.result?.retryCount ?? 0) > 0) played = 0;
      while (played < index) await chapters[played++]?.();
      played = index + 1;
      await run();
    });
  };
}
