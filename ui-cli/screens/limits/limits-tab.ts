import type { DeploymentView } from '../../../src/protocol/nouns.ts';
import type { App } from '../../frame/app.ts';
import type { Binding } from '../../frame/bindings.ts';
import { type Loader, pollMs } from '../../frame/loader.ts';
import { Screen, type Status } from '../../frame/screen.ts';
import { loaderStatus } from '../../frame/status.ts';
import type { HandlerContext } from '../handler/tab.ts';

/** Shows the limits and policy of the live deployment, which come from the manifest in its commit. */
export class LimitsTab extends Screen {
  readonly crumbs = ['limits'];
  readonly app: App;
  readonly handler: HandlerContext;
  readonly loader: Loader<DeploymentView | null>;

  constructor(handler: HandlerContext) {
    super();
    const { app } = handler;
    this.app = app;
    this.handler = handler;
    this.loader = app.loader(async (signal) => {
      const deployments = await app.client.deployments(handler.name, { signal });
      return deployments.find((deployment) => deployment.state === 'live') ?? null;
    }, 5 * pollMs);
  }

  override show(): void {
    this.loader.start();
  }

  override hide(): void {
    this.loader.stop();
  }

  override status(): Status {
    return loaderStatus(this.loader) ?? { text: '' };
  }

  bindings(): readonly Binding[] {
    return [{ keys: ['r'], help: 'load again', run: () => this.loader.refresh() }];
  }
}
