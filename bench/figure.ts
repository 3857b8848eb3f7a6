/** What a part of a bench did with each of many items. */
import { processorMs } from './processor-time.ts';
import { median } from './statistics.ts';

/** A rate per second, and microseconds of processor time for each item, of this process and all below it. */
export interface Figure {
  readonly rate: number;
  readonly cpuUs: number;
}

/** Measures `work`, which deals with `count` items. */
export async function figure(count: number, work: () => Promise<unknown>): Promise<Figure> {
  const beforeMs = performance.now();
  const beforeCpuMs = processorMs();
  await work();
  const ms = performance.now() - beforeMs;
  return { rate: (count / ms) * 1_000, cpuUs: ((processorMs() - beforeCpuMs) / count) * 1_000 };
}

/** Returns the medians of several figures. */
export function middle(figures: readonly Figure[]): Figure {
  return { rate: median(figures.map(({ rate }) => rate)), cpuUs: median(figures.map(({ cpuUs }) => cpuUs)) };
}
