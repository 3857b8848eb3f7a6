/**
 * Makes text from outside (guests, servers) harmless to a terminal. Escape sequences, other control characters and
 * characters that reorder or hide their neighbours become printable marks: C0 in caret notation as `cat -v` prints it,
 * the others as <U+XXXX>.
 */

/**
 * Matches C0, DEL, C1, bidirectional controls, zero-width characters, line separators, BOM, soft hyphen, lone
 * surrogates.
 */
const unsafe = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]|\p{Cs}/gu;

/** Returns one line of foreign text as one printable line. Tabs become four spaces. */
export function visible(text: string): string {
  return text.replace(unsafe, mark);
}

/** Returns foreign text of several lines: line breaks stay, other characters as in `visible`. */
export function visibleLines(text: string): string[] {
  return text.split(/\r?\n/).map(visible);
}

function mark(character: string): string {
  if (character === '\t') return '    ';
  const code = character.charCodeAt(0);
  if (code < 0x20) return `^${String.fromCharCode(code + 0x40)}`;
  if (code === 0x7f) return '^?';
  return `<U+${code.toString(16).toUpperCase().padStart(4, '0')}>`;
}

/**
 * Returns JSON without characters that control a terminal: JSON.stringify escapes C0 only, so the others of `unsafe`
 * are escaped here. Parsing gives the same value.
 */
export function safeJson(value: unknown, indent?: number): string {
  const json = JSON.stringify(value, null, indent);
  return json.replace(unsafe, (character) =>
    // The only raw C0 that JSON.stringify leaves are line breaks of its own indentation.
    character === '\n' ? character : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
