import type { HandlerView, UsageMinute, UsageSummary } from '../../../src/protocol/views.ts';
import type { App } from '../../frame/app.ts';
import type { Binding } from '../../frame/bindings.ts';
import { type Loader, pollMs } from '../../frame/loader.ts';
import { Screen, type Status } from '../../frame/screen.ts';
import { loaderStatus } from '../../frame/status.ts';
import { errorLines } from '../../text/error-lines.ts';
import type { HandlerContext } from '../handler/tab.ts';

/** Minutes that the sparklines cover. */
export const overviewMinutes = 60;

export class OverviewTab extends Screen {
  readonly crumbs = ['overview'];
  readonly app: App;
  readonly handler: HandlerContext;
  readonly usage: Loader<{ readonly summary: UsageSummary; readonly minutes: readonly UsageMinute[] }>;

  constructor(handler: HandlerContext) {
    super();
    const { app } = handler;
    this.app = app;
    this.handler = handler;
    this.usage = app.loader((signal) => app.client.usage(handler.name, overviewMinutes, { signal }), pollMs);
  }

  override show(): void {
    this.usage.start();
  }

  override hide(): void {
    this.usage.stop();
  }

  override status(): Status {
    return loaderStatus(this.handler.handler) ?? loaderStatus(this.usage) ?? { text: '' };
  }

  bindings(): readonly Binding[] {
    const { app, handler } = this;
    const view = handler.handler.data;
    if (this.slot.open !== null) return this.slot.bindings();
    return [
      { keys: ['l'], label: 'logs', help: 'its log, live', run: () => handler.switchTo('logs') },
      { keys: ['i'], label: 'invoke', help: 'call it', run: () => handler.switchTo('invoke') },
      { keys: ['y'], label: 'copy URL', help: 'copy its URL', run: () => app.copy(view?.url ?? '', view?.url ?? '') },
      {
        keys: ['o'],
        label: 'browser',
        help: 'open its URL in a browser',
        run: () => view && app.options.browse(view.url),
      },
      ...(view?.role === 'owner'
        ? [
            {
              keys: ['b'],
              label: 'branch',
              help: 'choose the branch whose pushes are deployed',
              run: () => this.#askBranch(view),
            },
          ]
        : []),
      {
        keys: ['r'],
        help: 'load again',
        run: () => {
          handler.handler.refresh();
          this.usage.refresh();
        },
      },
    ];
  }

  #askBranch({ name, deployBranch }: HandlerView): void {
    this.slot.ask({
      title: `Branch whose pushes are deployed to ${name}`,
      verb: 'set',
      notes: ['Pushes of other branches make previews. What is live stays live until the next push of this branch.'],
      fields: [{ label: 'Branch', value: deployBranch ?? '', placeholder: 'the first one that is pushed' }],
      submit: (form) => void this.#setBranch(name, form.value('Branch').trim()),
    });
  }

  async #setBranch(name: string, branch: string): Promise<void> {
    const { app, handler } = this;
    if (branch === '') return app.say('error', 'which branch? type its name');
    await app.run(
      'choosing the branch',
      async () => {
        await app.client.setDeployBranch(name, branch);
        this.slot.close();
        app.say('done', `pushes to ${branch} deploy ${name}`);
        handler.handler.refresh();
      },
      errorLines,
    );
  }
}
