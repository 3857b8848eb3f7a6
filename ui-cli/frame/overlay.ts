/** Overlays above a screen that take the keys: help, the jump line, a question. */
import type { Binding } from './bindings.ts';
import type { KeyPress } from './keys.ts';
import { TextInput } from './text-input.ts';
import type { TypingTarget } from './typing-target.ts';

export interface HelpOverlay {
  readonly kind: 'help';
  /** Index of the first visible row. */
  top: number;
}

export interface Jump {
  /** Text that selects the place: `swift-otter logs`, `create`. */
  readonly name: string;
  readonly help: string;
  readonly go: () => void;
}

export class JumpOverlay implements TypingTarget {
  readonly kind = 'jump';
  readonly input = new TextInput();
  readonly #jumps: () => readonly Jump[];
  readonly #unknown: (typed: string) => void;
  /** Index of the selected match, as of the last key. */
  #selected = 0;
  /** Result of the last search: a frame asks for it several times, and there are many places for many handlers. */
  #found: { readonly of: readonly Jump[]; readonly by: string; readonly matches: readonly Jump[] } | null = null;

  constructor(jumps: () => readonly Jump[], unknown: (typed: string) => void) {
    this.#jumps = jumps;
    this.#unknown = unknown;
  }

  get matches(): readonly Jump[] {
    const of = this.#jumps();
    const by = this.input.value;
    if (this.#found?.of !== of || this.#found.by !== by) this.#found = { of, by, matches: matchJumps(of, by) };
    return this.#found.matches;
  }

  /** Index of the selected match; 0 without matches. */
  get selected(): number {
    return Math.max(0, Math.min(this.#selected, this.matches.length - 1));
  }

  press(press: KeyPress): boolean {
    const taken = this.input.press(press);
    if (taken) this.#selected = 0;
    return taken;
  }

  insert(text: string): string | null {
    return this.input.insert(text);
  }

  /** Moves the selection by `by` matches, up if below 0, and stops at both ends. */
  move(by: number): void {
    this.#selected = Math.max(0, Math.min(this.selected + by, this.matches.length - 1));
  }

  complete(): void {
    const chosen = this.matches[this.selected];
    if (chosen !== undefined) this.input.value = chosen.name;
  }

  go(): void {
    const chosen = this.matches[this.selected];
    if (chosen === undefined) this.#unknown(this.input.value);
    else chosen.go();
  }
}

export function jumpBindings(jump: JumpOverlay, close: () => void): Binding[] {
  const go = () => {
    close();
    jump.go();
  };
  return [
    { keys: ['enter'], label: 'go', help: 'go there', run: go },
    { keys: ['tab'], label: 'complete', help: 'complete', run: () => jump.complete() },
    { keys: ['down'], help: 'next place', run: () => jump.move(1) },
    { keys: ['up'], help: 'place before', run: () => jump.move(-1) },
    { keys: ['esc'], label: 'close', help: 'close', run: close },
  ];
}

export function helpBindings(
  help: HelpOverlay,
  options: { readonly close: () => void; readonly count: number; readonly rows: number },
): Binding[] {
  const rows = Math.max(1, options.rows);
  const scroll = (by: number) => () => {
    help.top = Math.max(0, Math.min(help.top + by, options.count - rows));
  };
  return [
    { keys: ['down', 'j'], label: 'more', help: 'one row down', run: scroll(1) },
    { keys: ['up', 'k'], help: 'one row up', run: scroll(-1) },
    { keys: ['pagedown'], help: 'one page down', run: scroll(rows) },
    { keys: ['pageup'], help: 'one page up', run: scroll(-rows) },
    { keys: ['esc', '?', 'q', 'enter'], label: 'close', help: 'close', run: options.close },
  ];
}

/** Returns places that begin with the typed text, then places that contain its words in order. */
export function matchJumps(jumps: readonly Jump[], typed: string): readonly Jump[] {
  const wanted = typed.trim().toLowerCase();
  if (wanted === '') return jumps;
  const starts = jumps.filter((jump) => jump.name.startsWith(wanted));
  const contains = jumps.filter((jump) => !jump.name.startsWith(wanted) && containsInOrder(jump.name, wanted));
  return [...starts, ...contains];
}

function containsInOrder(name: string, wanted: string): boolean {
  let from = 0;
  for (const word of wanted.split(/\s+/)) {
    const at = name.indexOf(word, from);
    if (at === -1) return false;
    from = at + word.length;
  }
  return true;
}

export interface ConfirmOverlay {
  readonly kind: 'confirm';
  readonly title: string;
  readonly lines: readonly string[];
  readonly verb: string;
  readonly run: () => void;
}

export type Overlay = HelpOverlay | JumpOverlay | ConfirmOverlay;

export function confirmBindings(overlay: ConfirmOverlay, close: () => void): Binding[] {
  return [
    {
      keys: ['y', 'enter'],
      label: overlay.verb,
      help: overlay.verb,
      run: () => {
        close();
        overlay.run();
      },
    },
    { keys: ['esc', 'n', 'q'], label: 'no', help: 'close, change nothing', run: close },
  ];
}
