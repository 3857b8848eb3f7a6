/** A line of text input. */
import type { KeyPress } from './keys.ts';

/** Characters of one field. The server accepts variables of up to 16 KiB. */
const charsMax = 64 * 1024;

export interface TextInputOptions {
  readonly value?: string;
  /** Whether the text is shown as dots until revealed. */
  readonly secret?: boolean;
  readonly placeholder?: string;
  /** Whether pasted line breaks are kept; else text of several lines is refused. */
  readonly multiline?: boolean;
}

export class TextInput {
  readonly secret: boolean;
  readonly placeholder: string;
  readonly #multiline: boolean;
  revealed = false;
  #before: string[];
  #after: string[] = [];

  constructor(options: TextInputOptions = {}) {
    this.secret = options.secret ?? false;
    this.placeholder = options.placeholder ?? '';
    this.#multiline = options.multiline ?? false;
    this.#before = [...(options.value ?? '')];
  }

  get value(): string {
    return this.#before.join('') + this.#after.join('');
  }

  set value(text: string) {
    this.#before = [...text];
    this.#after = [];
  }

  /** Text to draw, before and after the cursor. */
  get shown(): { readonly before: string; readonly after: string } {
    const hide = this.secret && !this.revealed;
    const draw = (characters: readonly string[]) => (hide ? '•'.repeat(characters.length) : characters.join(''));
    return { before: draw(this.#before), after: draw(this.#after) };
  }

  /** Handles a key. Returns whether it was for this line: keys that write, and the editing keys. */
  press({ name, text }: KeyPress): boolean {
    if (text !== '') {
      this.insert(text);
      return true;
    }
    const edit = this.#edits[name];
    edit?.();
    return edit !== undefined;
  }

  /** Number of lines of the text; more than one only in a multi-line field. */
  get lineCount(): number {
    return this.value.split('\n').length;
  }

  /**
   * Inserts pasted text at the cursor. A terminal sends line breaks as carriage returns, which become line feeds. A
   * field of one line drops a single line break at the end. Returns why the text is refused as a whole: several lines
   * or control characters in a field of one line, or too long. So a secret is never changed silently.
   */
  insert(text: string): string | null {
    const lines = text.replace(/\r\n?/g, '\n');
    const taken = this.#multiline ? lines : lines.replace(/\n$/, '');
    if (!this.#multiline && taken.includes('\n'))
      return `the pasted text has ${taken.split('\n').length} lines and this field takes one; nothing was inserted`;
    if (!this.#multiline && /[\u0000-\u001f\u007f-\u009f]/.test(taken))
      return 'the pasted text has tabs or other control characters; nothing was inserted';
    const characters = [...taken];
    if (this.#before.length + this.#after.length + characters.length > charsMax)
      return `the pasted text is too long, a field takes ${charsMax} characters; nothing was inserted`;
    for (const character of characters) this.#before.push(character);
    return null;
  }

  readonly #edits: Readonly<Record<string, () => void>> = {
    left: () => {
      const moved = this.#before.pop();
      if (moved !== undefined) this.#after.unshift(moved);
    },
    right: () => {
      const moved = this.#after.shift();
      if (moved !== undefined) this.#before.push(moved);
    },
    home: () => this.#place(0),
    'ctrl-a': () => this.#place(0),
    end: () => this.#place(Number.POSITIVE_INFINITY),
    'ctrl-e': () => this.#place(Number.POSITIVE_INFINITY),
    backspace: () => void this.#before.pop(),
    delete: () => void this.#after.shift(),
    'ctrl-u': () => {
      this.#before = [];
    },
    'ctrl-k': () => {
      this.#after = [];
    },
    'ctrl-w': () => {
      while (this.#before.at(-1) === ' ') this.#before.pop();
      while (this.#before.length > 0 && this.#before.at(-1) !== ' ') this.#before.pop();
    },
  };

  #place(position: number): void {
    const all = [...this.#before, ...this.#after];
    this.#before = all.slice(0, position);
    this.#after = all.slice(this.#before.length);
  }
}
