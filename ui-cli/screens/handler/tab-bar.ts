/** Formats the tabs in one row, the open one in brackets, so that it shows without colours too. */
import { type TabName, tabKey, tabNames } from './tab.ts';

export interface TabPiece {
  readonly text: string;
  readonly open: boolean;
}

/** Returns ` 1 overview [2 logs] 3 deployments `; when that is too wide, closer together or as numbers only. */
export function tabBar(open: TabName, width: number): TabPiece[] {
  const label = (tab: TabName) => `${tabKey(tab)} ${tab}`;
  const airy = tabNames.map((tab) =>
    tab === open ? { text: `[${label(tab)}]`, open: true } : { text: ` ${label(tab)} `, open: false },
  );
  const tight = pieces(open, label);
  return (
    [airy, tight].find((bar) => bar.reduce((sum, piece) => sum + piece.text.length, 0) <= width) ??
    pieces(open, (tab) => (tab === open ? label(tab) : tabKey(tab)))
  );
}

/** Returns the pieces; brackets replace the spaces between tabs. */
function pieces(open: TabName, label: (tab: TabName) => string): TabPiece[] {
  const at = tabNames.indexOf(open);
  return tabNames.map((tab, i) => {
    if (i === at) return { text: `[${label(tab)}]`, open: true };
    const before = i === 0 ? ' ' : '';
    return { text: `${before}${label(tab)}${i === at - 1 ? '' : ' '}`, open: false };
  });
}
