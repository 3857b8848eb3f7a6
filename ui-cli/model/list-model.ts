/** A list on a screen: items that come and go, a filter, a selection that stays with its item. */
import type { Binding } from './bindings.ts';
import type { KeyPress } from './keys.ts';
import { clampList, type ListView, listStart, moveKeys, moveList } from './list.ts';
import type { Status, TypingTarget } from './screen.ts';
import { TextInput } from './text-input.ts';

export interface ListModelOptions<T> {
  /** Rows that show, heading not counted. */
  readonly rows: () => number;
  /** Tells items apart when the data comes again. */
  readonly key: (item: T) => string;
  /** What the filter looks at. */
  readonly text: (item: T) => string;
  readonly noun: string;
  /** Newest first: with the first row selected, one watches what comes. */
  readonly stayOnTop?: boolean;
}

export class ListModel<T> implements TypingTarget {
  readonly #options: ListModelOptions<T>;
  #all: readonly T[] = [];
  #view: ListView = listStart;
  #filter: TextInput | null = null;
  #typing = false;

  constructor(options: ListModelOptions<T>) {
    this.#options = options;
  }

  get all(): readonly T[] {
    return this.#all;
  }

  get items(): readonly T[] {
    const wanted = this.#filter?.value.toLowerCase() ?? '';
    return wanted === ''
      ? this.#all
      : this.#all.filter((item) => this.#options.text(item).toLowerCase().includes(wanted));
  }

  get view(): ListView {
    return clampList(this.#view, this.items.length, this.#options.rows());
  }

  get selected(): T | undefined {
    return this.items[this.view.selected];
  }

  /** What shows, from the window's first row. */
  get window(): readonly { readonly item: T; readonly selected: boolean }[] {
    const { top, selected } = this.view;
    return this.items
      .slice(top, top + this.#options.rows())
      .map((item, i) => ({ item, selected: top + i === selected }));
  }

  get typing(): boolean {
    return this.#typing;
  }

  set(items: readonly T[]): void {
    const kept = this.selected;
    this.#all = items;
    if (kept === undefined || (this.#options.stayOnTop && this.view.selected === 0)) return;
    const key = this.#options.key(kept);
    const index = this.items.findIndex((item) => this.#options.key(item) === key);
    if (index !== -1) this.#view = { ...this.#view, selected: index };
  }

  bindings(): Binding[] {
    if (this.#typing) {
      return [
        { keys: ['enter'], label: 'keep', help: 'keep the filter', run: () => this.#stopTyping() },
        {
          keys: ['up', 'down', 'pageup', 'pagedown'],
          label: 'move',
          help: 'move the selection',
          run: (p) => this.#move(p),
        },
      ];
    }
    const move = (press: KeyPress) => this.#move(press);
    return [
      {
        keys: ['/'],
        label: 'filter',
        help: `filter the ${this.#options.noun}; Esc clears`,
        run: () => this.#startTyping(),
      },
      { keys: [...moveKeys.up, ...moveKeys.down], help: 'one row up or down', run: move },
      { keys: [...moveKeys.pageUp, ...moveKeys.pageDown], help: 'one page up or down', run: move },
      { keys: [...moveKeys.halfUp, ...moveKeys.halfDown], help: 'half a page up or down', run: move },
      { keys: [...moveKeys.first, ...moveKeys.last], help: 'first and last row', run: move },
    ];
  }

  press(press: KeyPress): boolean {
    return this.#filter?.press(press) ?? false;
  }

  insert(text: string): void {
    this.#filter?.insert(text);
  }

  /** Esc clears the filter. */
  back(): boolean {
    if (this.#filter === null) return false;
    this.#filter = null;
    this.#typing = false;
    return true;
  }

  status(): Status {
    const count = this.items.length;
    const position = count === 0 ? '' : `${this.view.selected + 1} of ${count}`;
    if (this.#filter === null) return { text: count > this.#options.rows() ? position : '' };
    const found = `${count} of ${this.#all.length} ${this.#options.noun}`;
    if (this.#typing) return { text: found, input: this.#filter };
    return { text: `filter: ${this.#filter.value}   ${found}   Esc clears` };
  }

  #startTyping(): void {
    this.#filter ??= new TextInput();
    this.#typing = true;
  }

  #stopTyping(): void {
    this.#typing = false;
    if (this.#filter?.value === '') this.#filter = null;
  }

  #move(press: KeyPress): void {
    this.#view = moveList(this.view, press, this.items.length, this.#options.rows()) ?? this.#view;
  }
}
