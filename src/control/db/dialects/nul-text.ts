/**
 * Lets text with NUL characters pass through PostgreSQL, whose `text` cannot hold them. U+FDD0 is one of the code
 * points that Unicode keeps for a program's own use (Unicode 17, 23.7 "Noncharacters") and that no text holds:
 *
 *     NUL -> U+FDD0 '0'        U+FDD0 -> U+FDD0 '1'        everything else -> itself
 *
 * The rule is applied to every text parameter and every text result, so that comparisons agree; runs of printable
 * ASCII, which log searches look for, stay as they are.
 */
const mark = '\u{fdd0}';

/** Returns `text` without NUL; the same string where nothing has to be escaped. */
export function escapeNul(text: string): string {
  if (!text.includes('\0') && !text.includes(mark)) return text;
  return text.replaceAll(mark, `${mark}1`).replaceAll('\0', `${mark}0`);
}

/** Undoes `escapeNul`. */
export function unescapeNul(text: string): string {
  if (!text.includes(mark)) return text;
  return text.replaceAll(`${mark}0`, '\0').replaceAll(`${mark}1`, mark);
}
