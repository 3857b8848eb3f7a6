/**
 * Encodes NUL characters in text for PostgreSQL, whose `text` cannot hold them. The escape character is U+FDD0, one of
 * the code points that Unicode reserves for internal use (Unicode 17, 23.7 "Noncharacters"):
 *
 * NUL -> U+FDD0 '0'        U+FDD0 -> U+FDD0 '1'        any other character -> itself
 *
 * Every text parameter and every text result passes through it, so that comparisons agree. Printable ASCII, which log
 * searches look for, is unchanged.
 */
const mark = '\u{fdd0}';

/** Returns `text` with NUL escaped; the same string when it contains none. */
export function escapeNul(text: string): string {
  if (!text.includes('\0') && !text.includes(mark)) return text;
  return text.replaceAll(mark, `${mark}1`).replaceAll('\0', `${mark}0`);
}

/** Undoes `escapeNul`. */
export function unescapeNul(text: string): string {
  if (!text.includes(mark)) return text;
  return text.replaceAll(`${mark}0`, '\0').replaceAll(`${mark}1`, mark);
}
