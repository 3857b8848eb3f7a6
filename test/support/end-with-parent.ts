/**
 * Loaded with --import into processes that tests start: ends this one when its parent has gone, however that ended. A
 * test run that is killed would leave runners that serve on for an hour, and platforms that serve for ever.
 */

/** Milliseconds between two looks. */
const lookMs = 1_000;

const parent = process.ppid;
// A runner may hold a guest that never gives the thread back for long; a control ends its runners with itself.
const signal = process.argv[1]?.endsWith('/runner.ts') ? 'SIGKILL' : 'SIGINT';
const looking = setInterval(() => {
  // Another process has become the parent: the one that started this one is gone.
  if (process.ppid === parent) return;
  clearInterval(looking);
  process.kill(process.pid, signal);
}, lookMs);
looking.unref();
