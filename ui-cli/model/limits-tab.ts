import type { DeploymentView } from '../../src/protocol/nouns.ts';
import type { App } from './app.ts';
import type { Binding } from './bindings.ts';
import type { HandlerScreen } from './handler-screen.ts';
import { type Loader, pollMs } from './loader.ts';
import { Screen, type Status } from './screen.ts';
import { loaderStatus } from './status.ts';

/** What the live deployment may use and open; it comes from the manifest in its commit. */
export class LimitsTab extends Screen {
  readonly crumbs = ['limits'];
  readonly handler: HandlerScreen;
  readonly loader: Loader<DeploymentView | null>;

  constructor(app: App, handler: HandlerScreen) {
    super(app);
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
