/**
 * Ends this process when its event loop stands still: a guest whose checks are missing never gives the thread back, so
 * no timeout of the test runner fires and the run would hang for good. A thread of its own watches and kills the
 * process, which the test runner reports as a failure of the file.
 */
import { Worker } from 'node:worker_threads';

export interface OuterLimit {
  /** Sets the name of the running test for the final message. */
  name(name: string): void;
}

/**
 * Starts watching. Kills the process with SIGKILL, after a line on stderr, when its event loop has not turned for
 * `limitMs`. Keeps nothing alive.
 */
export function startOuterLimit({ limitMs }: { readonly limitMs: number }): OuterLimit {
  const beats = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(new URL('./outer-limit-worker.ts', import.meta.url), {
    workerData: { beats, limitMs },
    execArgv: [],
  });
  worker.unref();
  setInterval(() => Atomics.add(beats, 0, 1), Math.min(1_000, limitMs / 4)).unref();
  return { name: (name) => worker.postMessage(name) };
}
