/** Keys that move through rows, shared by lists, texts and the log. */
import type { Binding } from './bindings.ts';
import type { KeyPress } from './keys.ts';

const steps: Readonly<Record<string, (rows: number) => number>> = {
  up: () => -1,
  k: () => -1,
  down: () => 1,
  j: () => 1,
  pageup: (rows) => -Math.max(1, rows - 1),
  pagedown: (rows) => Math.max(1, rows - 1),
  'ctrl-u': (rows) => -Math.max(1, Math.floor(rows / 2)),
  'ctrl-d': (rows) => Math.max(1, Math.floor(rows / 2)),
  g: () => Number.NEGATIVE_INFINITY,
  home: () => Number.NEGATIVE_INFINITY,
  G: () => Number.POSITIVE_INFINITY,
  end: () => Number.POSITIVE_INFINITY,
};

/**
 * Returns the number of rows that a key moves in a window of `rows` rows: negative towards the first row, infinite for
 * the first and the last row, null for a key that moves nothing.
 */
export function moveBy({ name }: KeyPress, rows: number): number | null {
  return steps[name]?.(rows) ?? null;
}

/** Binds the keys that move by one row, one page and half a page. */
export function stepBindings(noun: string, run: (press: KeyPress) => void): Binding[] {
  return [
    { keys: ['up', 'k', 'down', 'j'], help: `one ${noun} up or down`, run },
    { keys: ['pageup', 'pagedown'], help: 'one page up or down', run },
    { keys: ['ctrl-u', 'ctrl-d'], help: 'half a page up or down', run },
  ];
}

/** Binds all keys that move, including those to the first and the last row. */
export function moveBindings(noun: string, run: (press: KeyPress) => void): Binding[] {
  return [...stepBindings(noun, run), { keys: ['g', 'home', 'G', 'end'], help: `first and last ${noun}`, run }];
}

/** Binds the arrow keys, which still move while a filter is typed; letters go into the filter. */
export function typingMoveBinding(label: string, help: string, run: (press: KeyPress) => void): Binding {
  return { keys: ['up', 'down', 'pageup', 'pagedown'], label, help, run };
}
