/** A screen whose body is one text from the server. */
import type { PlatformError } from '../../src/protocol/errors.ts';
import type { App } from './app.ts';
import type { Loader } from './loader.ts';
import { Screen, type Status } from './screen.ts';
import { Scroll } from './scroll.ts';
import { loaderFailure, loaderStatus } from './status.ts';

export abstract class TextScreen<T> extends Screen {
  readonly app: App;
  readonly loader: Loader<T>;
  readonly scroll: Scroll;

  /** `everyMs`: milliseconds between loads; null: load once and on request. */
  constructor(app: App, { everyMs }: { readonly everyMs: number | null }) {
    super();
    this.app = app;
    this.scroll = new Scroll({ rows: () => app.bodyRows, columns: () => app.size.columns - 2 });
    this.loader = app.loader(
      (signal) => this.load(signal),
      everyMs,
      (data) => this.scroll.set(this.linesOf(data)),
    );
  }

  protected abstract load(signal: AbortSignal): Promise<T>;
  protected abstract linesOf(data: T): readonly string[];

  override show(): void {
    this.loader.start();
  }

  override hide(): void {
    this.loader.stop();
  }

  override failure(): PlatformError | null {
    return loaderFailure(this.loader);
  }

  override status(): Status {
    return loaderStatus(this.loader) ?? this.scroll.status();
  }
}
