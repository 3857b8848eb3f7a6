/**
 * Lines longer than logLimits.lineBytes are split. A piece that is not the last ends with `…`, one that is not the
 * first begins with it.
 */
import { logLimits } from '../../protocol/limits.ts';

const mark = '…';

/** Characters of the longest piece, with its marks. */
export const longestPiece = logLimits.lineBytes + 2 * mark.length;

/** `text` of a piece with its marks. */
export function markedPiece(text: string, place: { readonly isFirst: boolean; readonly isLast: boolean }): string {
  return `${place.isFirst ? '' : mark}${text}${place.isLast ? '' : mark}`;
}

/** The pieces of `text`, each of at most logLimits.lineBytes characters and its marks. No surrogate pair is split. */
export function* splitLine(text: string): Generator<string> {
  for (let start = 0; start < text.length; ) {
    let end = Math.min(text.length, start + logLimits.lineBytes);
    const code = text.charCodeAt(end - 1);
    if (end < text.length && code >= 0xd800 && code <= 0xdbff) end -= 1;
    yield markedPiece(text.slice(start, end), { isFirst: start === 0, isLast: end === text.length });
    start = end;
  }
}
