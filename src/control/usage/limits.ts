/** Bounds on records and counters of usage. */
export const usageLimits = {
  /** Records that wait for the database, about 1 KiB each. Further records are dropped, counts are not. */
  waiting: 20_000,
  batch: 2_000,
  /** Characters of one record's JSON; a longer one loses its system calls and schemes. */
  recordChars: 16_384,
  /** Milliseconds for which counters by the minute are kept. */
  minutesMs: 90 * 24 * 60 * 60_000,
  /** Greatest number of Invocations in one answer. */
  listed: 500,
} as const;
