/** Limits of the fleet: times that it waits for runners, and its treatment of runners that die. */

import { KIB, MIB } from '../../protocol/limits.ts';

export const fleetLimits = {
  /**
   * Milliseconds from spawn to `booted`: a second or two on a loaded machine, half a minute beside twenty busy
   * processes.
   */
  bootMs: 60_000,
  /** Milliseconds for compiling one Artifact in one runner; 25 MB take under a second. */
  prepareMs: 60_000,
  /** Milliseconds between two pings of the watchdog. */
  pingMs: 500,
  /**
   * Milliseconds without an answer after which the watchdog kills a runner: no guest may hold the event loop as long.
   */
  stallMs: 2_000,
  /**
   * Milliseconds for a silent runner that hardly got the processor (a loaded machine, swapping) or works off a burst.
   */
  starvedMs: 20_000,
  /** Bytes of an Artifact in one message: copying and reading it holds an event loop for some 0.3 ms. */
  partBytes: 256 * KIB,
  /** Requests of one runner whose answers have not been written; a runner itself has at most half as many waiting. */
  requests: 20_000,
  /** Artifacts on their way to one runner, each up to some 60 MiB in memory; a runner itself loads as many at once. */
  artifactsUnderway: 2,
  /** Answers with bytes (values of kv, results of calls, up to some MiB each) that are read for one runner at once. */
  readsUnderway: 64,
  /**
   * Milliseconds before the first restart of a runner that dies repeatedly; doubles with each death, up to the value
   * below.
   */
  backoffFirstMs: 100,
  backoffMaxMs: 10_000,
  /** Milliseconds of life after which a runner's back-off starts from the beginning. */
  soundMs: 30_000,
  /** Milliseconds after its time in which a runner must have sent a gas profile. */
  profileMs: 5_000,
  /** Milliseconds between two looks for log lines of earlier runners that have not ended. */
  spoolMs: 10_000,
  /** Milliseconds that runners which are left to the next control have to hand over their last log lines. */
  leaveMs: 2_000,
  /**
   * Milliseconds after which a silent runner of an earlier control counts as hanging and is killed; others answer
   * within a second.
   */
  takeoverMs: 10_000,
  /** Milliseconds between two checks whether such a runner's process has ended, since ending runners report nothing. */
  takeoverLookMs: 100,
  /**
   * Bytes of one report of such a runner: 1 MiB of text, which JSON may make six times as long, or 1,000 usage records.
   */
  reportBytes: 32 * MIB,
  /** Milliseconds after the new runners serve when runners of an earlier control that have not ended are killed. */
  orphanGraceMs: 30_000,
  /** Specs sent at the same time to a starting runner: each may carry 16 MiB of files. */
  specsUnderway: 16,
  /** Number of runners that a Deployment may end within `quarantineMs` before it is quarantined. */
  quarantineDeaths: 3,
  quarantineMs: 10 * 60_000,
  /** Milliseconds added to runnerLimits.drainMs before SIGKILL, for a runner to hand over its last log lines. */
  exitMs: 500,
  /** Characters of one line of a runner's standard error; the rest is cut. */
  stderrChars: 8_192,
  /** Lines of it within `stderrWindowMs` milliseconds; a fatal error of V8 has some 60. The others are counted. */
  stderrLines: 100,
  stderrWindowMs: 10_000,
} as const;
