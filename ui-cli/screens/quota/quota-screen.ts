import type { PlatformError } from '../../../src/protocol/errors.ts';
import type { QuotaView } from '../../../src/protocol/nouns.ts';
import type { App } from '../../frame/app.ts';
import type { Binding } from '../../frame/bindings.ts';
import { type Loader, pollMs } from '../../frame/loader.ts';
import { Screen, type Status } from '../../frame/screen.ts';
import { Scroll } from '../../frame/scroll.ts';
import { loaderFailure, loaderStatus } from '../../frame/status.ts';
import { quotaLines } from '../../text/quota.ts';

/** How much of the user's quota is used, and by what. */
export class QuotaScreen extends Screen {
  readonly app: App;
  readonly crumbs = ['quota'];
  readonly loader: Loader<QuotaView>;
  readonly scroll: Scroll;

  constructor(app: App) {
    super();
    this.app = app;
    this.scroll = new Scroll({ rows: () => app.bodyRows, columns: () => app.size.columns - 2 });
    this.loader = app.loader(
      (signal) => app.client.quota({ signal }),
      5 * pollMs,
      (view) => this.scroll.set(quotaLines(view)),
    );
  }

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

  bindings(): readonly Binding[] {
    return [
      { keys: ['r'], label: 'load again', help: 'load again', run: () => this.loader.refresh() },
      ...this.scroll.bindings(),
    ];
  }
}
