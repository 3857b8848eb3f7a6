/** A line of text being typed. */
import type { KeyPress } from './keys.ts';

/** A value of a variable may be 16 KiB; nobody types more than that into a line. */
const charsMax = 64 * 1024;

export interface TextInputOptions {
  readonly value?: string;
  /** Shown as dots until revealed. */
  readonly secret?: boolean;
  readonly placeholder?: string;
}

export class TextInput {
  readonly secret: boolean;
  readonly placeholder: string;
  revealed = false;
  #before: string[];
  #after: string[] = [];

  constructor(options: TextInputOptions = {}) {
    this.secret = options.secret ?? false;
    this.placeholder = options.placeholder ?? '';
    this.#before = [...(options.value ?? '')];
  }

  get value(): string {
    return this.#before.join('') + this.#after.join('');
  }

  set value(text: string) {
    this.#before = [...text];
    this.#after = [];
  }

  /** What to draw: text before the cursor, and after it. */
  get shown(): { readonly before: string; readonly after: string } {
    const hide = this.secret && !this.revealed;
    const draw = (characters: readonly string[]) => (hide ? '•'.repeat(characters.length) : characters.join(''));
    return { before: draw(this.#before), after: draw(this.#after) };
  }

  /** Whether the key was for this line: every key that writes, and the editing ones. */
  press({ name, text }: KeyPress): boolean {
    if (text !== '') {
      this.insert(text);
      return true;
    }
    const edit = this.#edits[name];
    edit?.();
    return edit !== undefined;
  }

  /** Line breaks of pasted text become spaces, other control characters go. */
  insert(text: string): void {
    const line = text.replace(/[\r\n\t]+/g, ' ').replace(/[\u0000-\u001f\u007f-\u009f]/g, '');
    const room = charsMax - this.#before.length - this.#after.length;
    this.#before.push(...[...line].slice(0, Math.max(0, room)));
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
