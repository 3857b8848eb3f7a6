import type { DeploymentView } from '../../../src/protocol/views.ts';
import type { ItemPage } from '../../client/api.ts';
import type { Binding } from '../../frame/bindings.ts';
import { pollMs } from '../../frame/loader.ts';
import { PagedListScreen } from '../../frame/paged-list-screen.ts';
import { previewRollback } from '../../text/deployment.ts';
import { errorLines } from '../../text/error-lines.ts';
import { type HandlerContext, type OfPreview, permitted, previewCrumbs } from '../handler/tab.ts';

/** Rows below the list that describe the selected deployment. */
export const detailRows = 9;

export class DeploymentsTab extends PagedListScreen<DeploymentView, number> {
  readonly crumbs: readonly string[];
  readonly handler: HandlerContext;
  /** The preview whose versions are shown; null: all versions. */
  readonly preview: OfPreview | null;

  constructor(handler: HandlerContext, preview: OfPreview | null = null) {
    super(handler.app, { noun: 'deployments', everyMs: 2 * pollMs, stayOnTop: true });
    this.handler = handler;
    this.preview = preview;
    this.crumbs = [...previewCrumbs(handler, preview), 'deployments'];
  }

  get showsDetail(): boolean {
    return this.app.bodyRows >= detailRows + 6;
  }

  protected override get listRows(): number {
    return Math.max(1, this.app.bodyRows - 1 - (this.showsDetail ? detailRows : 0));
  }

  protected loadPage(after: number | null, signal: AbortSignal): Promise<ItemPage<DeploymentView, number>> {
    const { releases } = this.app.client;
    const branch = this.preview?.branch ?? null;
    return releases.deploymentPage(this.handler.name, { after: after ?? undefined }, { signal, branch });
  }

  protected keyOf(deployment: DeploymentView): string {
    return String(deployment.number);
  }

  protected textOf({ number, state, commit, pushedBy, modulePath, preview, subject, author }: DeploymentView): string {
    return `v${number} ${state} ${commit} ${pushedBy} ${modulePath} ${preview ?? ''} ${subject ?? ''} ${author ?? ''}`;
  }

  bindings(): readonly Binding[] {
    if (this.typing() !== null) return this.list.bindings();
    const { selected } = this.list;
    return permitted(this.handler, [
      ...(selected === undefined
        ? []
        : [
            {
              keys: ['b', 'enter'],
              label: 'roll back',
              needs: 'rollBack' as const,
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
      this.reload,
    ]);
  }

  /** Asks before a rollback. The live version, which the question names, may stand in a page that is not loaded. */
  #ask(deployment: DeploymentView): void {
    const { app, handler, list } = this;
    const live = handler.handler.data?.version ?? null;
    if (deployment.preview !== null || live === null || list.all.some(({ number }) => number === live))
      this.#confirm(list.all, deployment);
    else
      void app.run(
        `looking at v${live}`,
        async ({ abort: { signal } }) => {
          const page = await app.client.releases.deploymentPage(
            handler.name,
            { after: live + 1, limit: 1 },
            { signal },
          );
          this.#confirm([...list.all, ...page.items], deployment);
        },
        errorLines,
      );
  }

  #confirm(all: readonly DeploymentView[], deployment: DeploymentView): void {
    const { app, handler } = this;
    try {
      const live = handler.handler.data?.version ?? null;
      const { number, preview: branch } = deployment;
      const preview = previewRollback(handler.name, all, number, { branch, live });
      app.ask({
        kind: 'confirm',
        title: 'Roll back?',
        lines: preview.lines,
        verb: 'serve it',
        run: () => void this.#rollBack(preview.change, deployment),
      });
    } catch (error) {
      app.fail(error, errorLines);
    }
  }

  async #rollBack(change: string, { number, preview: branch }: DeploymentView): Promise<void> {
    const { app, handler } = this;
    await app.run(
      `rolling back, ${change}`,
      async ({ abort: { signal } }) => {
        await app.client.releases.rollback(handler.name, number, { signal, branch });
        app.say('done', `${change}: live`);
        this.startAnew();
        handler.handler.refresh();
      },
      errorLines,
    );
  }
}
