import type { DeploymentView } from '../../src/protocol/nouns.ts';
import { previewRollback } from '../text/deployment.ts';
import { errorLines } from '../text/error-lines.ts';
import type { App } from './app.ts';
import type { Binding } from './bindings.ts';
import type { HandlerScreen } from './handler-screen.ts';
import { ListModel } from './list-model.ts';
import { type Loader, pollMs } from './loader.ts';
import { Screen, type Status, type TypingTarget } from './screen.ts';
import { loaderStatus } from './status.ts';

/** Rows below the list that describe the selected deployment. */
export const detailRows = 7;

export class DeploymentsTab extends Screen {
  readonly crumbs = ['deployments'];
  readonly handler: HandlerScreen;
  readonly list: ListModel<DeploymentView>;
  readonly loader: Loader<readonly DeploymentView[]>;

  constructor(app: App, handler: HandlerScreen) {
    super(app);
    this.handler = handler;
    this.list = new ListModel<DeploymentView>({
      noun: 'deployments',
      stayOnTop: true,
      rows: () => Math.max(1, app.bodyRows - 1 - (this.showsDetail ? detailRows : 0)),
      key: (deployment) => String(deployment.number),
      text: (d) => `v${d.number} ${d.state} ${d.commit} ${d.pushedBy} ${d.modulePath}`,
    });
    this.loader = app.loader(
      (signal) => app.client.deployments(handler.name, { signal }),
      2 * pollMs,
      (deployments) => this.list.set(deployments),
    );
  }

  get showsDetail(): boolean {
    return this.app.bodyRows >= detailRows + 6;
  }

  override show(): void {
    this.loader.start();
  }

  override hide(): void {
    this.loader.stop();
  }

  override typing(): TypingTarget | null {
    return this.list.typing ? this.list : null;
  }

  override back(): boolean {
    return this.list.back();
  }

  override status(): Status {
    return loaderStatus(this.loader) ?? this.list.status();
  }

  bindings(): readonly Binding[] {
    if (this.list.typing) return this.list.bindings();
    const { selected } = this.list;
    return [
      ...(selected === undefined
        ? []
        : [
            {
              keys: ['b', 'enter'],
              label: 'roll back',
              help: 'serve this deployment again',
              run: () => this.#ask(selected),
            },
            {
              keys: ['y'],
              label: 'copy commit',
              help: 'copy the commit',
              run: () => this.app.copy(selected.commit, selected.commit),
            },
          ]),
      ...this.list.bindings(),
      { keys: ['r'], help: 'load again', run: () => this.loader.refresh() },
    ];
  }

  #ask(deployment: DeploymentView): void {
    const { app, handler, list } = this;
    try {
      const preview = previewRollback(handler.name, list.all, deployment.number);
      app.ask({
        kind: 'confirm',
        title: 'Roll back?',
        lines: preview.lines,
        verb: 'serve it',
        run: () => void this.#rollBack(preview.change, deployment.number),
      });
    } catch (error) {
      app.fail(error, errorLines);
    }
  }

  async #rollBack(change: string, number: number): Promise<void> {
    const { app, handler } = this;
    await app.run(
      `rolling back, ${change}`,
      async ({ abort: { signal } }) => {
        await app.client.rollback(handler.name, number, { signal });
        app.say('done', `${change}: live`);
        this.loader.refresh();
        handler.handler.refresh();
      },
      errorLines,
    );
  }
}
