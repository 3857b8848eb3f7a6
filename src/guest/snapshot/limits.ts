/** Bounds on a start-up that runs at the push, and on the state that it leaves. */
import { KIB, MIB, PAGE_BYTES } from '../../protocol/limits.ts';

export interface StartUpLimits {
  /** Instructions of the whole start-up. */
  readonly gas: number;
  /** Wall clock of the whole start-up, in milliseconds. */
  readonly timeoutMs: number;
  /** Pages that the memory may have when the start-up returns. */
  readonly memoryPages: number;
  /** Bytes of the module with its memory image, before rewriting. */
  readonly imageBytes: number;
  /** Entries of all tables together; each is read on its own. */
  readonly tableEntries: number;
  /** Output and log lines that the report shows; it counts the rest. */
  readonly outputLines: number;
  /** Characters of a shown line. */
  readonly lineChars: number;
  /** Bytes of the files in scratch while the start-up runs; it must remove them before it returns. */
  readonly scratchBytes: number;
}

export const startUpLimits: StartUpLimits = {
  // About 10 s of work: interpreters that load their whole library take 1 to 3 s.
  gas: 10_000_000_000,
  // Half of the time of a whole check: metering and compiling, which come after, need the other half.
  timeoutMs: 10_000,
  // 64 MiB. Beyond 32 MiB an instance is made anew for each call, and the time of instantiation is measured for that.
  memoryPages: (64 * MIB) / PAGE_BYTES,
  // Every runner of the platform loads the image, and it counts in the owner's quota.
  imageBytes: 48 * MIB,
  tableEntries: 1_000_000,
  outputLines: 100,
  lineChars: 4 * KIB,
  scratchBytes: 16 * MIB,
};
