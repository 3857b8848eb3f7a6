/** A list with one selected row and a window that follows it. Data is plain, moves are functions. */
import type { KeyPress } from './keys.ts';

export interface ListView {
  readonly selected: number;
  /** First row that shows. */
  readonly top: number;
}

export const listStart: ListView = { selected: 0, top: 0 };

/** Keeps selection and window inside `count` items and `rows` rows; for new data and resizes. */
export function clampList(list: ListView, count: number, rows: number): ListView {
  const selected = Math.max(0, Math.min(list.selected, count - 1));
  const lowest = Math.max(0, count - rows);
  const top = Math.min(Math.max(list.top, selected - rows + 1), selected, lowest);
  return { selected, top: Math.max(0, top) };
}

/** Where a key leads; null for a key that does not move. */
export function moveList(list: ListView, press: KeyPress, count: number, rows: number): ListView | null {
  const to = target(press.name, list.selected, count, rows);
  if (to === null) return null;
  return clampList({ selected: Math.max(0, Math.min(to, count - 1)), top: list.top }, count, rows);
}

export const moveKeys = {
  up: ['up', 'k'],
  down: ['down', 'j'],
  pageUp: ['pageup'],
  pageDown: ['pagedown'],
  halfUp: ['ctrl-u'],
  halfDown: ['ctrl-d'],
  first: ['g', 'home'],
  last: ['G', 'end'],
} as const;

function target(key: string, selected: number, count: number, rows: number): number | null {
  const page = Math.max(1, rows - 1);
  const half = Math.max(1, Math.floor(rows / 2));
  switch (key) {
    case 'up':
    case 'k':
      return selected - 1;
    case 'down':
    case 'j':
      return selected + 1;
    case 'pageup':
      return selected - page;
    case 'pagedown':
      return selected + page;
    case 'ctrl-u':
      return selected - half;
    case 'ctrl-d':
      return selected + half;
    case 'g':
    case 'home':
      return 0;
    case 'G':
    case 'end':
      return count - 1;
    default:
      return null;
  }
}
