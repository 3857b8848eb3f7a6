/** Lines of text, more than fit. */
import type { Binding } from './bindings.ts';
import type { KeyPress } from './keys.ts';
import { moveKeys } from './list.ts';
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
    const move = (press: KeyPress) => this.#move(press);
    return [
      { keys: [...moveKeys.up, ...moveKeys.down], help: 'one line up or down', run: move },
      { keys: [...moveKeys.pageUp, ...moveKeys.pageDown], help: 'one page up or down', run: move },
      { keys: [...moveKeys.halfUp, ...moveKeys.halfDown], help: 'half a page up or down', run: move },
      { keys: [...moveKeys.first, ...moveKeys.last], help: 'first and last line', run: move },
    ];
  }

  #move({ name }: KeyPress): void {
    const rows = this.#rows();
    const by: Readonly<Record<string, number>> = {
      up: -1,
      k: -1,
      down: 1,
      j: 1,
      pageup: -(rows - 1),
      pagedown: rows - 1,
      'ctrl-u': -Math.floor(rows / 2),
      'ctrl-d': Math.floor(rows / 2),
      g: Number.NEGATIVE_INFINITY,
      home: Number.NEGATIVE_INFINITY,
      G: Number.POSITIVE_INFINITY,
      end: Number.POSITIVE_INFINITY,
    };
    this.#top = this.#clamp(this.#clamp(this.#top) + (by[name] ?? 0));
  }

  #clamp(top: number): number {
    return Math.max(0, Math.min(top, this.#lines.length - this.#rows()));
  }
}
