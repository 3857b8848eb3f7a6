/**
 * Splits lines longer than logLimits.lineBytes. A piece that is not the last ends with `…`; a piece that is not the
 * first begins with it.
 */
import { logLimits } from '../../protocol/limits.ts';

const mark = '…';

/** Most characters of a piece with its marks. */
export const longestPiece = logLimits.lineBytes + 2 * mark.length;

/** Returns `text`, a piece, with its marks. */
export function markedPiece(text: string, place: { readonly isFirst: boolean; readonly isLast: boolean }): string {
  return `${place.isFirst ? '' : mark}${text}${place.isLast ? '' : mark}`;
}

/**
 * Returns the pieces of `text`, each of at most logLimits.lineBytes characters and its marks. Splits no surrogate pair.
 */
export function* splitLine(text: string): Generator<string> {
  for (let start = 0; start < text.length; ) {
    let end = Math.min(text.length, start + logLimits.lineBytes);
    const code = text.charCodeAt(end - 1);
    if (end < text.length && code >= 0xd800 && code <= 0xdbff) end -= 1;
    yield markedPiece(text.slice(start, end), { isFirst: start === 0, isLast: end === text.length });
    start = end;
  }
}
