/** Bounds on a start-up that runs at the push, and on what it leaves. */
import { KIB, MIB, PAGE_BYTES } from '../../protocol/limits.ts';

export interface StartUpLimits {
  /** Instructions of the whole start-up. */
  readonly gas: number;
  /** Wall clock of the whole start-up, in milliseconds. */
  readonly timeoutMs: number;
  /** Pages that the memory may have when the start-up has returned. */
  readonly memoryPages: number;
  /** Bytes of the module with its memory image, as it is metered. */
  readonly imageBytes: number;
  /** Entries of all tables together that are looked at one by one. */
  readonly tableEntries: number;
  /** Output and log lines that are shown; the rest is counted. */
  readonly outputLines: number;
  /** Characters of a shown line. */
  readonly lineChars: number;
  /** Files that the start-up may hold in scratch; it has to remove them. */
  readonly scratchBytes: number;
}

export const startUpLimits: StartUpLimits = {
  // Some 10 s: interpreters that load their whole library take 1 to 3.
  gas: 10_000_000_000,
  // Half of what a check may take in all: what follows, metering and compiling, needs the other half.
  timeoutMs: 10_000,
  // 64 MiB. Beyond 32 MiB an instance is made anew for each call, and instantiation is measured after that.
  memoryPages: (64 * MIB) / PAGE_BYTES,
  // All runners of a platform load it, and it counts in the quota of its owner.
  imageBytes: 48 * MIB,
  tableEntries: 1_000_000,
  outputLines: 100,
  lineChars: 4 * KIB,
  scratchBytes: 16 * MIB,
};
