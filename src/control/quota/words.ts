/** Describes in text what a user stores. */
import type { HandlerBytes } from './stored-bytes.ts';

/** Number of handlers named in one message. */
const named = 5;

/** Returns a line for each of the largest handlers: `otter  1.2 GiB  artifacts 900 MiB, kv 300 MiB`. */
export function whatUsesMost(rows: readonly HandlerBytes[]): readonly string[] {
  const handlers = [...Map.groupBy(rows, ({ name }) => name)].map(([name, theirs]) => ({
    name: theirs.some(({ isDeleted }) => isDeleted) ? `${name} (deleted)` : name,
    bytes: theirs.reduce((total, { bytes }) => total + bytes, 0),
    kinds: theirs.filter(({ bytes }) => bytes > 0).toSorted((a, b) => b.bytes - a.bytes),
  }));
  const largest = handlers
    .filter(({ bytes }) => bytes > 0)
    .sort((a, b) => b.bytes - a.bytes)
    .slice(0, named);
  return largest.map(({ name, bytes, kinds }) => {
    const two = kinds.slice(0, 2).map((one) => `${one.kind} ${sizeText(one.bytes)}`);
    return `${name}  ${sizeText(bytes)}  ${two.join(', ')}`;
  });
}

/** Returns bytes as people read them: 17 B, 1.5 KiB, 2 GiB. */
export function sizeText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value >= 100 || Number.isInteger(value) ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}
