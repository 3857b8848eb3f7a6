/**
 * Loaded with --import into processes that tests start: ends the process when its parent has gone, however the parent
 * ended. A killed test run would otherwise leave runners that serve for an hour, and platforms that serve for ever.
 */

/** Milliseconds between two checks. */
const lookMs = 1_000;

const parent = process.ppid;
// A runner may hold a guest that never returns the thread; a control ends its runners with itself.
const signal = process.argv[1]?.endsWith('/runner.ts') ? 'SIGKILL' : 'SIGINT';
const looking = setInterval(() => {
  // The process that started this one has gone: another process is the parent now.
  if (process.ppid === parent) return;
  clearInterval(looking);
  process.kill(process.pid, signal);
}, lookMs);
looking.unref();
