/** Reads a secret from the bytes of a terminal in raw mode: keys, and pastes that the terminal marks as such. */

export type SecretEnd =
  | { readonly kind: 'answer'; readonly text: string }
  | { readonly kind: 'cancel' }
  | { readonly kind: 'refused'; readonly why: string };

const pasteStart = '\u001b[200~';
const pasteEnd = '\u001b[201~';

/**
 * Reads a secret.
 *
 * typing --ESC[200~--> pasting --ESC[201~--> typing --Enter--> answer
 *
 * Two reads may split an escape sequence; a possible beginning of one waits for the next chunk.
 */
export class SecretLine {
  readonly #multiline: boolean;
  #text: string[] = [];
  #waiting = '';
  #pasting = false;
  /** Text of the running paste, unchanged. */
  #pasted = '';

  constructor({ multiline }: { readonly multiline: boolean }) {
    this.#multiline = multiline;
  }

  /** Takes one read of the terminal. Returns how the question ended; null: it is still open. */
  read(chunk: string): SecretEnd | null {
    let rest = this.#waiting + chunk;
    this.#waiting = '';
    while (rest !== '') {
      if (this.#pasting) {
        const end = rest.indexOf(pasteEnd);
        this.#pasted += end === -1 ? this.#keepBack(rest, pasteEnd) : rest.slice(0, end);
        if (end === -1) return null;
        this.#pasting = false;
        const lines = this.#pasted.replace(/\r\n?/g, '\n');
        const taken = this.#multiline ? lines : lines.replace(/\n$/, '');
        if (!this.#multiline && taken.includes('\n'))
          return { kind: 'refused', why: 'the pasted text has several lines, and this takes one' };
        for (const character of taken) this.#text.push(character);
        rest = rest.slice(end + pasteEnd.length);
      } else if (rest.startsWith(pasteStart)) {
        this.#pasting = true;
        this.#pasted = '';
        rest = rest.slice(pasteStart.length);
      } else if (pasteStart.startsWith(rest)) {
        // ESC alone, or the beginning of a paste mark.
        this.#waiting = rest;
        return null;
      } else {
        const end = this.#key(rest);
        if (end !== null) return end;
        rest = rest.slice(keyLength(rest));
      }
    }
    return null;
  }

  /** Keeps a beginning of `mark` at the end of `text` for the next read; returns the text before it. */
  #keepBack(text: string, mark: string): string {
    for (let length = Math.min(mark.length - 1, text.length); length > 0; length -= 1) {
      if (!text.endsWith(mark.slice(0, length))) continue;
      this.#waiting = text.slice(-length);
      return text.slice(0, -length);
    }
    return text;
  }

  #key(rest: string): SecretEnd | null {
    const key = rest[0] ?? '';
    if (key === '\r' || key === '\n') {
      // The Enter of a person arrives alone.
      if (/[^\r\n]/.test(rest))
        return { kind: 'refused', why: 'several lines came at once; give the value on standard input instead' };
      return { kind: 'answer', text: this.#text.join('') };
    }
    if (key === '\u0003' || (key === '\u0004' && this.#text.length === 0)) return { kind: 'cancel' };
    if (key === '\u007f' || key === '\b') this.#text.pop();
    else if (key === '\u0015') this.#text = [];
    else if (key >= ' ') this.#text.push(String.fromCodePoint(rest.codePointAt(0) ?? 0x20));
    return null;
  }
}

/**
 * Returns the code units of the first key: an escape sequence (arrows and similar keys, which write nothing) or one
 * character.
 */
function keyLength(rest: string): number {
  const sequence = /^\u001b(?:[[O][0-9;]*[A-Za-z~]?)?/.exec(rest);
  return sequence === null ? String.fromCodePoint(rest.codePointAt(0) ?? 0x20).length : sequence[0].length;
}
