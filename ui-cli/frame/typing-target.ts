/** What typed letters go to: a filter, or the field of a form. */
import type { KeyPress } from './keys.ts';

export interface TypingTarget {
  /** Handles a key. Returns false when the key is not for the text and may be a shortcut. */
  press(press: KeyPress): boolean;
  /** Inserts pasted text. Returns why it cannot, or null. */
  insert(text: string): string | null;
}
