/** Limits of the fleet: how long it waits for runners and how it treats those that die. */

import { MIB } from '../../protocol/limits.ts';

export const fleetLimits = {
  /** From spawn to `booted`: a loaded machine takes a second or two, one with twenty busy processes half a minute. */
  bootMs: 60_000,
  /** Compiling one Artifact in one runner; 25 MB take under a second. */
  prepareMs: 60_000,
  /** The watchdog asks this often… */
  pingMs: 500,
  /** …and after this long without an answer kills: nothing a guest may do holds the loop so long. */
  stallMs: 2_000,
  /** A silent runner that hardly got the processor (a loaded machine, swapping), or works off a burst, is given this long. */
  starvedMs: 20_000,
  /** A message of so many bytes is large: a ping behind it waits until the runner has taken it in. */
  largeMessageBytes: 8 * MIB,
  /** A runner that is silent since a large message was sent to it is given this long: 128 MiB take 15 s on a busy machine. */
  carryMs: 60_000,
  /** Back-off of a runner that dies again and again: first at once, then doubling. */
  backoffFirstMs: 100,
  backoffMaxMs: 10_000,
  /** A runner that has lived this long starts anew with its back-off. */
  soundMs: 30_000,
  /** Runners that are left to the next control hand over their last log lines for so long at most. */
  leaveMs: 2_000,
  /** Runners of an earlier control answer a new one within a second; after this long they hang, and are killed. */
  takeoverMs: 10_000,
  /** One that ends by itself says nothing: its process is looked for this often. */
  takeoverLookMs: 100,
  /** One report of such a runner: 1 MiB of text, which JSON may write six times as long, or 1,000 usage records. */
  reportBytes: 32 * MIB,
  /** Runners of an earlier control that have not ended this long after the new ones serve are killed. */
  orphanGraceMs: 30_000,
  /** Specs sent at a time to a runner that starts: each may carry 16 MiB of files. */
  specsUnderway: 16,
  /** A Deployment that has ended this many runners within the time is quarantined. */
  quarantineDeaths: 3,
  quarantineMs: 10 * 60_000,
  /** Beyond runnerLimits.drainMs, before SIGKILL: a runner hands over its last log lines. */
  exitMs: 500,
  /** One line of a runner's standard error; the rest is cut. */
  stderrChars: 8_192,
} as const;
