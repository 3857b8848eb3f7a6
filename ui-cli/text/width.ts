/** Measures text in terminal cells. The input is printable (`visible` was applied). */

/** Matches combining marks (which include variation selectors), which take no cell. */
const zeroWidth = /^[\p{Mn}\p{Me}]$/u;
const emoji = /^\p{Emoji_Presentation}$/u;

/** Returns the number of terminal cells that `text` takes. */
export function cells(text: string): number {
  let width = 0;
  for (const character of text) width += cellsOf(character);
  return width;
}

function cellsOf(character: string): number {
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x300) return 1;
  if (zeroWidth.test(character)) return 0;
  return isWide(code) || emoji.test(character) ? 2 : 1;
}

/** Returns whether a character is East Asian Wide or Fullwidth (UAX #11), by block. */
function isWide(code: number): boolean {
  return (
    (code >= 0x1100 && code <= 0x115f) ||
    (code >= 0x2e80 && code <= 0x303e) ||
    (code >= 0x3041 && code <= 0x4dbf) ||
    (code >= 0x4e00 && code <= 0xa4cf) ||
    (code >= 0xa960 && code <= 0xa97f) ||
    (code >= 0xac00 && code <= 0xd7a3) ||
    (code >= 0xf900 && code <= 0xfaff) ||
    (code >= 0xfe30 && code <= 0xfe6f) ||
    (code >= 0xff00 && code <= 0xff60) ||
    (code >= 0xffe0 && code <= 0xffe6) ||
    (code >= 0x20000 && code <= 0x3fffd)
  );
}

/** Cuts text to at most `width` cells; an ellipsis marks a cut. */
export function cut(text: string, width: number): string {
  if (width <= 0) return '';
  // Shortcut for the usual case: at most as many code units as cells.
  if (text.length <= width && !isWiderThan(text, width)) return text;
  let used = 0;
  let end = 0;
  let endWithEllipsis = 0;
  for (const character of text) {
    const next = cellsOf(character);
    if (used + next > width) return `${text.slice(0, endWithEllipsis)}…`;
    used += next;
    end += character.length;
    if (used <= width - 1) endWithEllipsis = end;
  }
  return text;
}

/** Returns the part of `text` from cell `offset` on, for scrolling sideways. */
export function skip(text: string, offset: number): string {
  let used = 0;
  let start = 0;
  for (const character of text) {
    if (used >= offset) break;
    used += cellsOf(character);
    start += character.length;
  }
  return text.slice(start);
}

export type Align = 'left' | 'right';

/** Returns exactly `width` cells: text cut or padded with spaces. */
export function fit(text: string, width: number, align: Align = 'left'): string {
  const shown = cut(text, width);
  const fill = ' '.repeat(Math.max(0, width - cells(shown)));
  return align === 'left' ? shown + fill : fill + shown;
}

/** Returns whether text takes more than `width` cells; reads only as much of a long text as it must. */
function isWiderThan(text: string, width: number): boolean {
  let used = 0;
  for (const character of text) {
    used += cellsOf(character);
    if (used > width) return true;
  }
  return false;
}

/** Breaks text at spaces if possible, else within a word, so that no line is wider than `width`. */
export function wrap(text: string, width: number): string[] {
  if (width <= 0) return [];
  const lines: string[] = [];
  let rest = text;
  while (isWiderThan(rest, width)) {
    let used = 0;
    let end = 0;
    for (const character of rest) {
      const next = cellsOf(character);
      if (used + next > width) break;
      used += next;
      end += character.length;
    }
    if (end === 0) end = String.fromCodePoint(rest.codePointAt(0) ?? 0x20).length;
    const space = rest[end] === ' ' ? end : rest.lastIndexOf(' ', end - 1);
    const at = space > end / 2 ? space : end;
    lines.push(rest.slice(0, at));
    rest = rest.slice(rest[at] === ' ' ? at + 1 : at);
  }
  lines.push(rest);
  return lines;
}
