/** Lines of text, more than fit. */
import type { Binding } from './bindings.ts';
import type { KeyPress } from './keys.ts';
import { moveBindings, moveBy } from './moves.ts';
import type { Status } from './screen.ts';

export class Scroll {
  #lines: readonly string[] = [];
  #top = 0;
  readonly #rows: () => number;

  constructor(rows: () => number) {
    this.#rows = rows;
  }

  get lines(): readonly string[] {
    return this.#lines;
  }

  get window(): readonly string[] {
    const top = this.#clamp(this.#top);
    return this.#lines.slice(top, top + this.#rows());
  }

  set(lines: readonly string[]): void {
    this.#lines = lines;
  }

  status(): Status {
    const rows = this.#rows();
    if (this.#lines.length <= rows) return { text: '' };
    const top = this.#clamp(this.#top);
    return { text: `lines ${top + 1} to ${Math.min(this.#lines.length, top + rows)} of ${this.#lines.length}` };
  }

  bindings(): Binding[] {
    return moveBindings('line', (press) => this.#move(press));
  }

  #move(press: KeyPress): void {
    this.#top = this.#clamp(this.#clamp(this.#top) + (moveBy(press, this.#rows()) ?? 0));
  }

  #clamp(top: number): number {
    return Math.max(0, Math.min(top, this.#lines.length - this.#rows()));
  }
}
