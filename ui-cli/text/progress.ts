/** A line that tells how far a download is. */
import { formatBytes } from './format.ts';

const barCells = 24;

/**
 * Returns `[======>     ]  25 %  12,000 of 48,000 messages, 3.1 MiB, 9,000/s`; without a total no bar and no
 * percentage. `total` null: nobody knows it. It may have grown or shrunk since it was asked for.
 */
export function progressLine(
  noun: string,
  {
    records,
    total,
    bytes,
    perSecond,
  }: { readonly records: number; readonly total: number | null; readonly bytes: number; readonly perSecond: number },
): string {
  const rate = `${Math.round(perSecond).toLocaleString('en')}/s`;
  const done = records.toLocaleString('en');
  if (total === null || total === 0) return `${done} ${noun}s, ${formatBytes(bytes)}, ${rate}`;
  const part = Math.min(1, records / total);
  const full = Math.floor(part * barCells);
  const bar = `${'='.repeat(full)}${full < barCells ? '>' : ''}`.padEnd(barCells);
  const percent = String(Math.floor(part * 100)).padStart(3);
  return `[${bar}] ${percent} %  ${done} of ${total.toLocaleString('en')} ${noun}s, ${formatBytes(bytes)}, ${rate}`;
}
