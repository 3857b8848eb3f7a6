/** Reads and writes sizes as people type them. */

const units = [
  ['TiB', 2 ** 40],
  ['GiB', 2 ** 30],
  ['MiB', 2 ** 20],
  ['KiB', 2 ** 10],
] as const;

/** Returns the bytes of a size such as `500MiB`, `2 GiB` or `1048576`; null: the text is none, or 0. */
export function readBytes(text: string): number | null {
  const [, count = '', unit = ''] = /^(\d{1,9}) ?([KMGT]iB)?$/i.exec(text) ?? [];
  const factor = units.find(([name]) => name.toLowerCase() === unit.toLowerCase())?.[1] ?? 1;
  const bytes = count === '' ? 0 : Number(count) * factor;
  return bytes >= 1 && Number.isSafeInteger(bytes) ? bytes : null;
}

/** Returns a size that `readBytes` reads as the same bytes: `500MiB`. */
export function typedBytes(bytes: number): string {
  const unit = units.find(([, factor]) => bytes >= factor && bytes % factor === 0);
  return unit === undefined ? String(bytes) : `${bytes / unit[1]}${unit[0]}`;
}
