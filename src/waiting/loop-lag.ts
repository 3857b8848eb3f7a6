/** Measures how late the event loop of this process is for a timer: as long does everything else wait for it. */

/** Milliseconds between two measurements. Ten in a second cost nothing that can be measured. */
const everyMs = 100;

/** Calls `took` with the seconds of each measurement, until the returned function is called. Keeps no process alive. */
export function measureLag(took: (seconds: number) => void): () => void {
  let dueMs = performance.now() + everyMs;
  const timer = setInterval(() => {
    const nowMs = performance.now();
    took(Math.max(0, nowMs - dueMs) / 1_000);
    dueMs = nowMs + everyMs;
  }, everyMs);
  timer.unref();
  return () => clearInterval(timer);
}
