import type { QuotaView } from '../../../src/protocol/views.ts';
import type { App } from '../../frame/app.ts';
import type { Binding } from '../../frame/bindings.ts';
import { pollMs } from '../../frame/loader.ts';
import { TextScreen } from '../../frame/text-screen.ts';
import { quotaLines } from '../../text/quota.ts';

/** Shows the usage of the user's quota, by kind. */
export class QuotaScreen extends TextScreen<QuotaView> {
  readonly crumbs = ['quota'];

  constructor(app: App) {
    super(app, { everyMs: 5 * pollMs });
  }

  protected load(signal: AbortSignal): Promise<QuotaView> {
    return this.app.client.quota({ signal });
  }

  protected linesOf(view: QuotaView): readonly string[] {
    return quotaLines(view);
  }

  bindings(): readonly Binding[] {
    return [
      { keys: ['r'], label: 'load again', help: 'load again', run: () => this.loader.refresh() },
      ...this.scroll.bindings(),
    ];
  }
}
