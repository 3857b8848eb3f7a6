/** A screen whose body is one list, which is loaded from the server repeatedly. */
import type { PlatformError } from '../../src/protocol/errors.ts';
import type { App } from './app.ts';
import type { Binding } from './bindings.ts';
import { ListModel } from './list-model.ts';
import type { Loader } from './loader.ts';
import { Screen, type Status } from './screen.ts';
import { loaderFailure, loaderStatus } from './status.ts';
import type { TypingTarget } from './typing-target.ts';

export interface ListScreenOptions {
  /** Name of the items, in the plural. */
  readonly noun: string;
  /** Milliseconds between loads. */
  readonly everyMs: number;
  /** Whether a selected first row stays the first row (ListModelOptions). */
  readonly stayOnTop?: boolean;
  /** Is called when a key has moved the selection. */
  readonly moved?: () => void;
}

export abstract class ListScreen<T> extends Screen {
  readonly app: App;
  readonly list: ListModel<T>;
  readonly loader: Loader<readonly T[]>;

  constructor(app: App, { noun, everyMs, stayOnTop = false, moved = () => undefined }: ListScreenOptions) {
    super();
    this.app = app;
    this.list = new ListModel<T>({
      noun,
      stayOnTop,
      moved,
      rows: () => this.listRows,
      key: (item) => this.keyOf(item),
      text: (item) => this.textOf(item),
    });
    this.loader = app.loader(
      (signal) => this.load(signal),
      everyMs,
      (items) => this.list.set(items),
    );
  }

  protected abstract load(signal: AbortSignal): Promise<readonly T[]>;
  protected abstract keyOf(item: T): string;
  protected abstract textOf(item: T): string;

  /** Number of rows of the list, without its heading. */
  protected get listRows(): number {
    return Math.max(1, this.app.bodyRows - 1);
  }

  /** Whether the server has answered with an empty list. */
  get isEmpty(): boolean {
    return this.loader.data !== null && this.list.all.length === 0;
  }

  override show(): void {
    this.loader.start();
  }

  override hide(): void {
    this.loader.stop();
  }

  override typing(): TypingTarget | null {
    return super.typing() ?? this.list.typing();
  }

  override get typesFilter(): boolean {
    return this.list.typing() !== null;
  }

  override back(): boolean {
    return super.back() || this.list.back();
  }

  override failure(): PlatformError | null {
    return loaderFailure(this.loader);
  }

  override status(): Status {
    return loaderStatus(this.loader) ?? this.list.status();
  }

  protected get reload(): Binding {
    return { keys: ['r'], help: 'load again', run: () => this.loader.refresh() };
  }
}
