/**
 * A list screen whose items come in pages. The first page is loaded again and again; a further one is loaded when the
 * selection comes near the last loaded row. While the selection is in a further page nothing is loaded by itself, so
 * that rows do not move under the reader and a long list does not load the server.
 */
import type { ItemPage } from '../client/api.ts';
import { errorLines } from '../text/error-lines.ts';
import type { App } from './app.ts';
import type { Binding } from './bindings.ts';
import { ListScreen, type ListScreenOptions } from './list-screen.ts';
import type { Status } from './screen.ts';

export abstract class PagedListScreen<T, Cursor extends string | number> extends ListScreen<T> {
  /** Cursor of the page after the last loaded one; null: all pages are loaded. */
  #next: Cursor | null = null;
  /** Number of items of the first page. */
  #firstCount = 0;
  /** Load of a further page; null: none runs. */
  #loading: AbortController | null = null;
  #isAnew = false;

  constructor(app: App, options: ListScreenOptions) {
    super(app, { ...options, moved: () => void this.#loadMore() });
  }

  /** Returns the page after `after`; null: the first one. */
  protected abstract loadPage(after: Cursor | null, signal: AbortSignal): Promise<ItemPage<T, Cursor>>;

  protected async load(signal: AbortSignal): Promise<readonly T[]> {
    if (!this.#isAnew && this.#isInLaterPage) return this.list.all;
    const isAnew = this.#isAnew;
    this.#isAnew = false;
    this.#loading?.abort();
    const { items, next } = await this.loadPage(null, signal);
    // The reader may have moved to a later page meanwhile.
    if (!isAnew && this.#isInLaterPage) return this.list.all;
    this.#next = next;
    this.#firstCount = items.length;
    // A page that is limited by bytes may have fewer items than there are rows.
    if (next !== null && items.length < this.listRows) setImmediate(() => void this.#loadMore());
    return items;
  }

  /** Loads the list again from its beginning. */
  protected startAnew(): void {
    this.#isAnew = true;
    // The next page of the list before is none of the new one.
    this.#next = null;
    this.loader.refresh();
  }

  override hide(): void {
    super.hide();
    this.#loading?.abort();
  }

  override status(): Status {
    const status = super.status();
    if (this.#next === null || status.text === '' || this.loader.error !== null) return status;
    return { ...status, text: `${status.text}   ${this.#loading === null ? 'more follow' : 'loading more …'}` };
  }

  protected override get reload(): Binding {
    return { keys: ['r'], help: 'load again', run: () => this.startAnew() };
  }

  get #isInLaterPage(): boolean {
    const { all, selected } = this.list;
    if (all.length <= this.#firstCount || selected === undefined) return false;
    return all.indexOf(selected) >= this.#firstCount - this.listRows - 1;
  }

  get #isNearEnd(): boolean {
    return this.list.view.selected >= this.list.items.length - this.listRows - 1;
  }

  async #loadMore(): Promise<void> {
    if (this.#next === null || this.#loading !== null || !this.#isNearEnd) return;
    const abort = new AbortController();
    this.#loading = abort;
    this.app.changed();
    try {
      const { items, next } = await this.loadPage(this.#next, abort.signal);
      if (abort.signal.aborted) return;
      this.#next = next;
      this.list.set([...this.list.all, ...items]);
    } catch (error) {
      if (!abort.signal.aborted) this.app.fail(error, errorLines);
    } finally {
      if (this.#loading === abort) this.#loading = null;
      this.app.changed();
    }
  }
}
