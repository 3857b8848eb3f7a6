/** State of a list on a screen: changing items, a filter, a selection that stays on its item. */
import type { Binding } from './bindings.ts';
import { Filter } from './filter.ts';
import type { KeyPress } from './keys.ts';
import { clampList, type ListView, listStart, moveList } from './list.ts';
import { moveBindings, typingMoveBinding } from './moves.ts';
import type { Status } from './screen.ts';
import type { TypingTarget } from './typing-target.ts';

export interface ListModelOptions<T> {
  /** Returns the number of visible rows, without the heading. */
  readonly rows: () => number;
  /** Returns the identity of an item, which finds it again after a reload. */
  readonly key: (item: T) => string;
  /** Returns the text of an item that the filter searches. */
  readonly text: (item: T) => string;
  /** Name of the items, in the plural. */
  readonly noun: string;
  /** Whether a selected first row stays the first row when items arrive: for lists with the newest item first. */
  readonly stayOnTop?: boolean;
  /** Is called when a key has moved the selection. */
  readonly moved?: () => void;
}

export class ListModel<T> {
  readonly #options: ListModelOptions<T>;
  readonly #filter = new Filter();
  #all: readonly T[] = [];
  #view: ListView = listStart;
  /** Result of the last filtering: a frame asks for it several times, and a list may have 10,000 items. */
  #filtered: { readonly of: readonly T[]; readonly by: string; readonly items: readonly T[] } | null = null;

  constructor(options: ListModelOptions<T>) {
    this.#options = options;
  }

  get all(): readonly T[] {
    return this.#all;
  }

  /** Items that the filter accepts. */
  get items(): readonly T[] {
    const by = this.#filter.text;
    if (by === '') return this.#all;
    if (this.#filtered?.of !== this.#all || this.#filtered.by !== by) {
      const items = this.#all.filter((item) => this.#filter.accepts(this.#options.text(item)));
      this.#filtered = { of: this.#all, by, items };
    }
    return this.#filtered.items;
  }

  get view(): ListView {
    return clampList(this.#view, this.items.length, this.#options.rows());
  }

  get selected(): T | undefined {
    return this.items[this.view.selected];
  }

  /** Visible rows, from the window's first row on. */
  get window(): readonly { readonly item: T; readonly selected: boolean }[] {
    const { top, selected } = this.view;
    return this.items
      .slice(top, top + this.#options.rows())
      .map((item, i) => ({ item, selected: top + i === selected }));
  }

  /** Returns the filter while it is typed; else null. */
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

  /** Clears the filter and keeps the selected item; returns false if there was no filter. */
  back(): boolean {
    const kept = this.selected;
    if (!this.#filter.clear()) return false;
    this.#select(kept);
    return true;
  }

  /**
   * Returns the message line: the filter with the number of matches, or the position in a list longer than the window.
   */
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
    this.#options.moved?.();
  }
}
