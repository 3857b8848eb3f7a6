const bars = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'] as const;

/**
 * Returns the last `width` values as bars, scaled from 0 to the largest. Zero is the lowest bar and any positive value
 * is visibly more than nothing, so one request shows.
 */
export function sparkline(values: readonly number[], width: number): string {
  const shown = width > 0 ? values.slice(-width) : [];
  const largest = Math.max(0, ...shown);
  const drawn = shown.map((value) => {
    if (value <= 0 || largest === 0) return bars[0];
    return bars[Math.min(bars.length - 1, Math.max(1, Math.round((value / largest) * (bars.length - 1))))];
  });
  return drawn.join('').padStart(width);
}

/**
 * Sums `points` into `buckets` equal spans that end at `nowMs`; what is older is left out.
 * Spans in milliseconds.
 */
export function bucket(
  points: readonly { readonly timeMs: number; readonly value: number }[],
  { nowMs, spanMs, buckets }: { readonly nowMs: number; readonly spanMs: number; readonly buckets: number },
): number[] {
  const sums = new Array<number>(buckets).fill(0);
  const startMs = nowMs - spanMs * buckets;
  for (const { timeMs, value } of points) {
    const index = Math.floor((timeMs - startMs) / spanMs);
    if (index >= 0 && index < buckets) sums[index] = (sums[index] ?? 0) + value;
  }
  return sums;
}
