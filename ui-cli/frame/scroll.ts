/** Scrolls a text of more lines than fit. */

import { wrap } from '../text/width.ts';
import type { Binding } from './bindings.ts';
import type { KeyPress } from './keys.ts';
import { moveBindings, moveBy } from './moves.ts';
import type { Status } from './screen.ts';

export class Scroll {
  #lines: readonly string[] = [];
  /** Index of the first visible row, as of the last key. */
  #top = 0;
  readonly #rows: () => number;
  readonly #columns: () => number;
  /** Whether long lines are wrapped instead of cut. */
  wraps = false;
  #wrapped: { readonly of: readonly string[]; readonly columns: number; readonly lines: readonly string[] } | null =
    null;

  /**
   * Makes a scroll position. `rows` and `columns` return the window's size; longer lines are cut, or wrapped after `w`.
   */
  constructor({ rows, columns }: { readonly rows: () => number; readonly columns: () => number }) {
    this.#rows = rows;
    this.#columns = columns;
  }

  /** Lines as they show: cut ones whole, or wrapped ones row by row. */
  get lines(): readonly string[] {
    if (!this.wraps) return this.#lines;
    const columns = this.#columns();
    if (this.#wrapped?.of !== this.#lines || this.#wrapped.columns !== columns) {
      const lines = this.#lines.flatMap((line) => wrap(line, columns));
      this.#wrapped = { of: this.#lines, columns, lines };
    }
    return this.#wrapped.lines;
  }

  get window(): readonly string[] {
    const top = this.#clamp(this.#top);
    return this.lines.slice(top, top + this.#rows());
  }

  set(lines: readonly string[]): void {
    this.#lines = lines;
  }

  /** Returns the message line: the visible lines by number; '' if all are visible. */
  status(): Status {
    const rows = this.#rows();
    const count = this.lines.length;
    if (count <= rows) return { text: '' };
    const top = this.#clamp(this.#top);
    return { text: `lines ${top + 1} to ${Math.min(count, top + rows)} of ${count}` };
  }

  bindings(): Binding[] {
    return [
      ...moveBindings('line', (press) => this.#move(press)),
      { keys: ['w'], help: 'wrap long lines, or cut them', run: () => this.#toggleWrap() },
    ];
  }

  #toggleWrap(): void {
    this.wraps = !this.wraps;
  }

  #move(press: KeyPress): void {
    this.#top = this.#clamp(this.#clamp(this.#top) + (moveBy(press, this.#rows()) ?? 0));
  }

  #clamp(top: number): number {
    return Math.max(0, Math.min(top, this.lines.length - this.#rows()));
  }
}
