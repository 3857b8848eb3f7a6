/** The watching thread of outer-limit.ts. */
import { writeSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';

const { beats, limitMs } = workerData as { readonly beats: Int32Array; readonly limitMs: number };
let seen = -1;
let sinceMs = performance.now();
let name = 'this process';

parentPort?.on('message', (text: string) => {
  name = text;
});
parentPort?.unref();

setInterval(
  () => {
    const now = Atomics.load(beats, 0);
    if (now !== seen) [seen, sinceMs] = [now, performance.now()];
    if (performance.now() - sinceMs < limitMs) return;
    writeSync(2, `outer limit: the event loop has not turned for ${limitMs} ms in: ${name}\n`);
    process.kill(process.pid, 'SIGKILL');
  },
  Math.min(1_000, limitMs / 4),
);
