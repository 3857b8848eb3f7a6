/** Formats the tabs, the open one in brackets, so that it shows without colours too. */
import type { Size } from '../../frame/app-options.ts';
import { type TabName, tabKey, tabNames } from './tab.ts';

export interface TabPiece {
  readonly text: string;
  readonly open: boolean;
}

/** Rows of the terminal from which the tabs may take two rows. */
const tallRows = 20;

/**
 * Returns the rows of the bar: ` 1 overview [2 logs] 3 deployments `, when that is too wide closer together, in two
 * rows if the terminal is tall, else one row in which the tabs that are not open are their keys.
 */
export function tabBar(open: TabName, size: Size): readonly (readonly TabPiece[])[] {
  const { columns, rows } = size;
  const labelled = [airy, tight].map((form) => form(open, tabNames)).find((bar) => widthOf(bar) <= columns);
  if (labelled !== undefined) return [labelled];
  if (rows >= tallRows) {
    const halves = splitAt(open, columns);
    if (halves !== null) return halves;
  }
  return [pieces(open, tabNames, (tab) => (tab === open ? label(tab) : tabKey(tab)))];
}

/** Returns two rows with the tabs that fit into the first one and the others; null: they need more rows. */
function splitAt(open: TabName, columns: number): readonly (readonly TabPiece[])[] | null {
  // The width of a tight row is the same whichever tab is open, so tabs stay where they are.
  let count = 0;
  while (count < tabNames.length && widthOf(tight(open, tabNames.slice(0, count + 1))) <= columns) count += 1;
  const rest = tabNames.slice(count);
  const halves = [tabNames.slice(0, count), rest].map((tabs) => fitted(open, tabs, columns));
  return rest.length > 0 && widthOf(tight(open, rest)) <= columns ? halves : null;
}

function fitted(open: TabName, tabs: readonly TabName[], columns: number): readonly TabPiece[] {
  const wide = airy(open, tabs);
  return widthOf(wide) <= columns ? wide : tight(open, tabs);
}

const label = (tab: TabName) => `${tabKey(tab)} ${tab}`;

function airy(open: TabName, tabs: readonly TabName[]): readonly TabPiece[] {
  return tabs.map((tab) =>
    tab === open ? { text: `[${label(tab)}]`, open: true } : { text: ` ${label(tab)} `, open: false },
  );
}

function tight(open: TabName, tabs: readonly TabName[]): readonly TabPiece[] {
  return pieces(open, tabs, label);
}

/** Returns the pieces; brackets replace the spaces between tabs. */
function pieces(open: TabName, tabs: readonly TabName[], text: (tab: TabName) => string): readonly TabPiece[] {
  const at = tabs.indexOf(open);
  return tabs.map((tab, i) => {
    if (i === at) return { text: `[${text(tab)}]`, open: true };
    const before = i === 0 ? ' ' : '';
    return { text: `${before}${text(tab)}${i === at - 1 ? '' : ' '}`, open: false };
  });
}

function widthOf(bar: readonly TabPiece[]): number {
  return bar.reduce((sum, piece) => sum + piece.text.length, 0);
}
