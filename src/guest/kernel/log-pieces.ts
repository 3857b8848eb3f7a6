/**
 * Splits lines longer than logLimits.lineBytes. Each piece begins with its number and their count: `(2/4) text`. A
 * piece that is logged before the line has ended has `…` for the count: `(2/…) text`.
 */
import { logLimits } from '../../protocol/limits.ts';

/** Most characters of a piece with its mark, and with the prefix of a `log:` URL (resources/log.ts). */
export const longestPiece = logLimits.lineBytes + 160;

/** Returns `text`, piece `number` (from 1) of `count`, with its mark. `count`: null while it is not known. */
export function markedPiece(text: string, number: number, count: number | null): string {
  return count === 1 ? text : `(${number}/${count ?? '…'}) ${text}`;
}

/**
 * Returns the pieces of `text`, each of at most logLimits.lineBytes characters and its mark. Splits no surrogate pair.
 */
export function splitLine(text: string): readonly string[] {
  const pieces: string[] = [];
  for (let start = 0; start < text.length; ) {
    let end = Math.min(text.length, start + logLimits.lineBytes);
    const code = text.charCodeAt(end - 1);
    if (end < text.length && code >= 0xd800 && code <= 0xdbff) end -= 1;
    pieces.push(text.slice(start, end));
    start = end;
  }
  return pieces.map((piece, at) => markedPiece(piece, at + 1, pieces.length));
}
