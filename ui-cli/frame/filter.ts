/**
 * A filter that is typed under a list or a log. `/` starts it, Enter keeps it, Esc clears it.
 *
 * off --start--> typing --keep--> kept      (an empty filter goes off when it is kept)
 * ^---clear-------+----clear------+
 */
import type { KeyPress } from './keys.ts';
import { TextInput } from './text-input.ts';
import type { TypingTarget } from './typing-target.ts';

export class Filter implements TypingTarget {
  #input: TextInput | null = null;
  #typing = false;
  /** Is called when the text has changed. */
  readonly #changed: () => void;

  constructor(changed: () => void = () => undefined) {
    this.#changed = changed;
  }

  /** Whether letters go into the filter. */
  get typing(): boolean {
    return this.#typing;
  }

  /** Line to draw; null while the filter is off. */
  get input(): TextInput | null {
    return this.#input;
  }

  /** Text of the filter; '' accepts every row. */
  get text(): string {
    return this.#input?.value ?? '';
  }

  /** Returns whether `row` contains the text, in any case. */
  accepts(row: string): boolean {
    return this.text === '' || row.toLowerCase().includes(this.text.toLowerCase());
  }

  start(): void {
    this.#input ??= new TextInput();
    this.#typing = true;
  }

  keep(): void {
    this.#typing = false;
    if (this.text === '') this.#input = null;
  }

  /** Switches the filter off; returns false if it was off. */
  clear(): boolean {
    if (this.#input === null) return false;
    this.#input = null;
    this.#typing = false;
    this.#changed();
    return true;
  }

  press(press: KeyPress): boolean {
    const taken = this.#input?.press(press) ?? false;
    if (taken) this.#changed();
    return taken;
  }

  insert(text: string): string | null {
    const refused = this.#input?.insert(text) ?? null;
    this.#changed();
    return refused;
  }
}
