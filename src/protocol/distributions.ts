/** Distributions that runners count and control publishes: bounds of the buckets, and how a value finds its bucket. */

/** Greatest value of each bucket, ascending; a last bucket without a bound follows. */
export type Bounds = readonly number[];

/**
 * Bounds in seconds of how long calls take: a function in memory takes less than 1 ms, the longest deadline is minutes.
 */
export const callSeconds: Bounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
/** Bounds in units of gas of one call. */
export const callGas: Bounds = [1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10];
/** Bounds in seconds of how long a request waited for code to be loaded. */
export const coldSeconds: Bounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** Bounds in seconds of how late an event loop was for a timer; from 2 s on a runner counts as stuck. */
export const lagSeconds: Bounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

/**
 * Numbers of values by bucket, one more than there are bounds, and the sum of the values, in their unit: mostly
 * seconds.
 */
export interface Distribution {
  readonly buckets: readonly number[];
  readonly sum: number;
}

/** Returns the index of the bucket of `value`. */
export function bucketOf(bounds: Bounds, value: number): number {
  let index = 0;
  while (index < bounds.length && value > (bounds[index] as number)) index += 1;
  return index;
}

/** Returns zeros, one for each bucket. */
export function emptyBuckets(bounds: Bounds): number[] {
  return new Array<number>(bounds.length + 1).fill(0);
}

/** Counts values; what it holds is a Distribution. */
export class CountedDistribution implements Distribution {
  readonly bounds: Bounds;
  readonly buckets: number[];
  sum = 0;

  constructor(bounds: Bounds) {
    this.bounds = bounds;
    this.buckets = emptyBuckets(bounds);
  }

  /** Counts `value`, in the unit of the bounds. */
  add(value: number): void {
    const index = bucketOf(this.bounds, value);
    this.buckets[index] = (this.buckets[index] ?? 0) + 1;
    this.sum += value;
  }

  /** Returns a copy as plain data. */
  toData(): Distribution {
    return { buckets: [...this.buckets], sum: this.sum };
  }
}

/** Classes by which answers are counted: of the HTTP status, and `none` for calls that had no answer. */
export const statusClasses = ['1xx', '2xx', '3xx', '4xx', '5xx', 'none'] as const;

/** Returns the index of a status in `statusClasses`. */
export function statusClassOf(status: number): number {
  const hundreds = Math.floor(status / 100);
  return hundreds >= 1 && hundreds <= 5 ? hundreds - 1 : statusClasses.length - 1;
}

/** What is counted of the calls of one Deployment beside their sums. */
export interface CallFigures {
  /** Calls by class of their status, in the order of `statusClasses`. */
  readonly classes: readonly number[];
  /** Calls by bucket of `callSeconds` and of `callGas`. */
  readonly seconds: readonly number[];
  readonly gas: readonly number[];
  /** The last call that a caller traces; null: there was none. */
  readonly traced: TracedCall | null;
}

/** A call whose trace a reader of a distribution can look up. */
export interface TracedCall {
  /** Trace id of W3C Trace Context: 32 hexadecimal digits. */
  readonly traceId: string;
  readonly seconds: number;
  readonly gas: number;
  /** Unix milliseconds. */
  readonly timeMs: number;
}
