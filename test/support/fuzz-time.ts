import fc from 'fast-check';

/**
 * How long a property is tried: `usual` milliseconds by default; with FUZZ_MINUTES set (nightly), that many minutes
 * each, with any number of runs. FUZZ_SEED sets the seed, which is printed when a property fails.
 */
export interface FuzzTime {
  readonly seed: number;
  readonly numRuns: number;
  /** Milliseconds. */
  readonly interruptAfterTimeLimit: number;
  /** Milliseconds of the enclosing test's limit. */
  readonly timeout: number;
  /** Prints the number of runs and the seed; throws as fast-check does when a run failed. */
  readonly reporter: <T>(details: fc.RunDetails<T>) => void;
}

export function fuzzTime(usual: { readonly numRuns: number; readonly ms: number }): FuzzTime {
  const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 31);
  const minutes = Number(process.env.FUZZ_MINUTES ?? 0);
  const ms = minutes > 0 ? minutes * 60_000 : usual.ms;
  return {
    seed,
    numRuns: minutes > 0 ? 1_000_000_000 : usual.numRuns,
    interruptAfterTimeLimit: ms,
    timeout: ms + 120_000,
    reporter: (details) => {
      console.log(`${details.numRuns} random inputs, FUZZ_SEED=${seed}`);
      if (details.failed) throw new Error(fc.defaultReportMessage(details), { cause: details.errorInstance });
    },
  };
}
