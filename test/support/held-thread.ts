/**
 * Watches the thread of tests that run guests in their own process: a guest that keeps the thread ends the file, not
 * the run. Does nothing outside of vitest, since benches use the same helpers.
 */
import { startOuterLimit } from './outer-limit.ts';

/**
 * Milliseconds that a test may hold the thread. Rewriting the largest bombs takes 20 s on a busy machine; the test
 * runner's own limit, which needs the thread, is 180 s.
 */
const heldMsMax = 120_000;

if (process.env.VITEST !== undefined) {
  const { beforeEach } = await import('vitest');
  const outerLimit = startOuterLimit({ limitMs: heldMsMax });
  beforeEach(({ task }) => outerLimit.name(`${task.file.name}: ${task.name}`));
}
