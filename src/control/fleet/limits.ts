/** Limits of the fleet: how long it waits for runners and how it treats those that die. */

export const fleetLimits = {
  /** From spawn to `booted`; a loaded machine takes a second or two. */
  bootMs: 30_000,
  /** Compiling one Artifact in one runner; 25 MB take under a second. */
  prepareMs: 60_000,
  /** The watchdog asks this often… */
  pingMs: 500,
  /** …and after this long without an answer kills: nothing a guest may do holds the loop so long. */
  stallMs: 2_000,
  /** A silent runner that hardly got the processor (a loaded machine, swapping), or works off a burst, is given this long. */
  starvedMs: 20_000,
  /** Back-off of a runner that dies again and again: first at once, then doubling. */
  backoffFirstMs: 100,
  backoffMaxMs: 10_000,
  /** A runner that has lived this long starts anew with its back-off. */
  soundMs: 30_000,
  /** Runners of an earlier control that have not ended this long after the new ones serve are killed. */
  orphanGraceMs: 30_000,
  /** Deployments prepared at the same time in a runner that starts. */
  preparesUnderway: 4,
  /** A Deployment that has ended this many runners within the time is quarantined. */
  quarantineDeaths: 3,
  quarantineMs: 10 * 60_000,
  /** Beyond runnerLimits.drainMs, before SIGKILL: a runner hands over its last log lines. */
  exitMs: 500,
  /** One line of a runner's standard error; the rest is cut. */
  stderrChars: 8_192,
} as const;
