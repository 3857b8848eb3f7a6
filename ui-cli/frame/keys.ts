/** Converts Ink's input into single named keys. */

export interface KeyPress {
  /**
   * A character, or one of: up down left right pageup pagedown home end enter esc tab shift-tab backspace delete
   * ctrl-x.
   */
  readonly name: string;
  /** Text that the key writes into a text field; '' for a key that writes nothing. */
  readonly text: string;
}

/** Part of Ink's key that is read here. */
export interface InkKey {
  readonly upArrow: boolean;
  readonly downArrow: boolean;
  readonly leftArrow: boolean;
  readonly rightArrow: boolean;
  readonly pageUp: boolean;
  readonly pageDown: boolean;
  readonly home: boolean;
  readonly end: boolean;
  readonly return: boolean;
  readonly escape: boolean;
  readonly tab: boolean;
  readonly shift: boolean;
  readonly backspace: boolean;
  readonly delete: boolean;
  readonly ctrl: boolean;
  readonly meta: boolean;
  readonly eventType?: 'press' | 'repeat' | 'release';
}

/**
 * Returns the keys of one input event of Ink. An event may hold several: on a slow line, or of a fast typist, one read
 * brings `jjj`, or `/error` with Enter, which must act as when typed slowly.
 */
export function toKeyPresses(input: string, key: InkKey): KeyPress[] {
  if (key.eventType === 'release') return [];
  const name = specialName(key);
  if (name !== null) return [{ name, text: '' }];
  if (key.ctrl) return input.length === 1 ? [{ name: `ctrl-${input}`, text: '' }] : [];
  // No action is bound to Alt with a letter, and it must not act as the letter alone.
  if (key.meta) return [];
  return [...input].map(toKeyPress);
}

function toKeyPress(character: string): KeyPress {
  if (character === '\r' || character === '\n') return { name: 'enter', text: '' };
  if (character === '\t') return { name: 'tab', text: '' };
  if (character === '\u007f' || character === '\b') return { name: 'backspace', text: '' };
  const code = character.charCodeAt(0);
  if (code < 0x20) return { name: `ctrl-${String.fromCharCode(code + 0x60)}`, text: '' };
  return { name: character, text: character };
}

function specialName(key: InkKey): string | null {
  if (key.upArrow) return 'up';
  if (key.downArrow) return 'down';
  if (key.leftArrow) return 'left';
  if (key.rightArrow) return 'right';
  if (key.pageUp) return 'pageup';
  if (key.pageDown) return 'pagedown';
  if (key.home) return 'home';
  if (key.end) return 'end';
  if (key.return) return 'enter';
  if (key.escape) return 'esc';
  if (key.tab) return key.shift ? 'shift-tab' : 'tab';
  if (key.backspace) return 'backspace';
  if (key.delete) return 'delete';
  return null;
}
