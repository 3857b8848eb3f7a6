/** Keys and their actions: one table per screen, from which the help and the footer are made. */
import type { OperationOn } from '../../src/protocol/permissions.ts';
import { cells } from '../text/width.ts';
import type { KeyPress } from './keys.ts';

export interface Binding {
  /** Names of keys (keys.ts); each of them fires the action. */
  readonly keys: readonly string[];
  /** One or two words for the footer; absent: the binding is in the help only. */
  readonly label?: string;
  readonly help: string;
  /**
   * Operation on the handler of the screen that the action begins; a user whose role does not allow it has no such key.
   */
  readonly needs?: OperationOn<'handler'>;
  readonly run: (press: KeyPress) => void;
}

export function findBinding(bindings: readonly Binding[], press: KeyPress): Binding | undefined {
  return bindings.find((binding) => binding.keys.includes(press.name));
}

const shownNames: Readonly<Record<string, string>> = {
  up: '↑',
  down: '↓',
  left: '←',
  right: '→',
  pageup: 'PgUp',
  pagedown: 'PgDn',
  home: 'Home',
  end: 'End',
  enter: 'Enter',
  esc: 'Esc',
  tab: 'Tab',
  'shift-tab': 'Shift-Tab',
  backspace: 'Backspace',
  delete: 'Del',
  ' ': 'Space',
};

export function keyLabel(name: string): string {
  const shown = shownNames[name];
  if (shown !== undefined) return shown;
  return name.startsWith('ctrl-') ? `Ctrl-${name.slice(5).toUpperCase()}` : name;
}

export interface FooterItem {
  readonly key: string;
  readonly label: string;
}

/**
 * Returns the labelled bindings that fit into `width`, in order. The last two (help, leave) are always included, since
 * they lead to the others.
 */
export function footerItems(bindings: readonly Binding[], width: number): FooterItem[] {
  const items = bindings.flatMap(({ keys, label }) =>
    label === undefined ? [] : [{ key: keyLabel(keys[0] ?? ''), label }],
  );
  const widthOf = ({ key, label }: FooterItem) => cells(key) + 1 + cells(label) + 3;
  const kept = items.slice(-2);
  let used = kept.reduce((sum, item) => sum + widthOf(item), 0);
  const front: FooterItem[] = [];
  for (const item of items.slice(0, -2)) {
    // At most five before the last two: seven can be read at a glance.
    if (used + widthOf(item) > width || front.length === 5) break;
    used += widthOf(item);
    front.push(item);
  }
  return [...front, ...kept];
}

/** Returns rows of the help: keys and their actions. */
export function helpRows(bindings: readonly Binding[]): (readonly [string, string])[] {
  return bindings.map(({ keys, help }) => [keys.map(keyLabel).join(' '), help]);
}
