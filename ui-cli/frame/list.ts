/** A list with one selected row and a window around it: plain data, moved by functions. */
import type { KeyPress } from './keys.ts';
import { moveBy } from './moves.ts';

export interface ListView {
  /** Index of the selected row. */
  readonly selected: number;
  /** Index of the first visible row. */
  readonly top: number;
}

export const listStart: ListView = { selected: 0, top: 0 };

/** Returns the list with selection and window inside `count` items and `rows` rows; for new data and resizes. */
export function clampList(list: ListView, count: number, rows: number): ListView {
  const selected = Math.max(0, Math.min(list.selected, count - 1));
  const lowest = Math.max(0, count - rows);
  const top = Math.min(Math.max(list.top, selected - rows + 1), selected, lowest);
  return { selected, top: Math.max(0, top) };
}

/** Returns the list after a key; null for a key that moves nothing. */
export function moveList(list: ListView, press: KeyPress, count: number, rows: number): ListView | null {
  const by = moveBy(press, rows);
  if (by === null) return null;
  return clampList({ selected: Math.max(0, Math.min(list.selected + by, count - 1)), top: list.top }, count, rows);
}
