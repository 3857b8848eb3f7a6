/** A list on a screen: items that come and go, a filter, a selection that stays with its item. */
import type { Binding } from './bindings.ts';
import { Filter } from './filter.ts';
import type { KeyPress } from './keys.ts';
import { clampList, type ListView, listStart, moveList } from './list.ts';
import { moveBindings, typingMoveBinding } from './moves.ts';
import type { Status, TypingTarget } from './screen.ts';

export interface ListModelOptions<T> {
  /** Rows that show, heading not counted. */
  readonly rows: () => number;
  /** Identifies an item when the data is loaded again. */
  readonly key: (item: T) => string;
  /** The text that the filter searches. */
  readonly text: (item: T) => string;
  /** What the items are called, in the plural. */
  readonly noun: string;
  /** For a list with the newest item first: a selected first row stays the first row when items arrive. */
  readonly stayOnTop?: boolean;
}

export class ListModel<T> {
  readonly #options: ListModelOptions<T>;
  readonly #filter = new Filter();
  #all: readonly T[] = [];
  #view: ListView = listStart;

  constructor(options: ListModelOptions<T>) {
    this.#options = options;
  }

  get all(): readonly T[] {
    return this.#all;
  }

  /** The items that the filter lets through. */
  get items(): readonly T[] {
    return this.#filter.text === ''
      ? this.#all
      : this.#all.filter((item) => this.#filter.accepts(this.#options.text(item)));
  }

  get view(): ListView {
    return clampList(this.#view, this.items.length, this.#options.rows());
  }

  get selected(): T | undefined {
    return this.items[this.view.selected];
  }

  /** The rows that show, from the window's first row on. */
  get window(): readonly { readonly item: T; readonly selected: boolean }[] {
    const { top, selected } = this.view;
    return this.items
      .slice(top, top + this.#options.rows())
      .map((item, i) => ({ item, selected: top + i === selected }));
  }

  /** Where letters go; null while no filter is typed. */
  typing(): TypingTarget | null {
    return this.#filter.typing ? this.#filter : null;
  }

  /** Replaces the items; the selected item stays selected if it is still among them. */
  set(items: readonly T[]): void {
    const kept = this.selected;
    this.#all = items;
    if (this.#options.stayOnTop && this.view.selected === 0) return;
    this.#select(kept);
  }

  bindings(): Binding[] {
    const move = (press: KeyPress) => this.#move(press);
    if (this.#filter.typing) {
      return [
        { keys: ['enter'], label: 'keep', help: 'keep the filter', run: () => this.#filter.keep() },
        typingMoveBinding('move', 'move the selection', move),
      ];
    }
    const help = `filter the ${this.#options.noun}; Esc clears`;
    return [{ keys: ['/'], label: 'filter', help, run: () => this.#filter.start() }, ...moveBindings('row', move)];
  }

  /** Clears the filter and keeps the selected item; false if there was no filter. */
  back(): boolean {
    const kept = this.selected;
    if (!this.#filter.clear()) return false;
    this.#select(kept);
    return true;
  }

  status(): Status {
    const count = this.items.length;
    const position = count === 0 ? '' : `${this.view.selected + 1} of ${count}`;
    const { input } = this.#filter;
    if (input === null) return { text: count > this.#options.rows() ? position : '' };
    const found = `${count} of ${this.#all.length} ${this.#options.noun}`;
    if (this.#filter.typing) return { text: found, input };
    return { text: `filter: ${input.value}   ${found}   Esc clears` };
  }

  #select(item: T | undefined): void {
    if (item === undefined) return;
    const key = this.#options.key(item);
    const selected = this.items.findIndex((candidate) => this.#options.key(candidate) === key);
    if (selected !== -1) this.#view = { ...this.#view, selected };
  }

  #move(press: KeyPress): void {
    this.#view = moveList(this.view, press, this.items.length, this.#options.rows()) ?? this.#view;
  }
}
