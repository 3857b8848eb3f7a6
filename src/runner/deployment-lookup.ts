/** Finds the Deployment that answers an address, or the error that says why none does. */
import { PlatformError } from '../protocol/errors.ts';
import type { Elsewhere } from '../protocol/placement.ts';
import type { LoadedDeployment } from './loaded-deployments.ts';
import { getsNewVersion, type RolloutChoice } from './rollout-choice.ts';
import type { Address, RouteTable } from './routes.ts';
import type { RunnerServices } from './services.ts';

export interface DeploymentLookupOptions {
  readonly services: RunnerServices;
  readonly routes: RouteTable;
  readonly domain: string;
  /** URL of the platform's own pages; null: this process does not know it. */
  readonly homeUrl: string | null;
}

export class DeploymentLookup {
  readonly #options: DeploymentLookupOptions;
  /** Number of requests for functions that other nodes hold. */
  #misdirections = 0;

  constructor(options: DeploymentLookupOptions) {
    this.#options = options;
  }

  /**
   * Returns the Deployment that answers `address`; with `choice`, the version of a gradual release that the caller
   * gets. `tried`: URL of a node that the caller's proxy could not reach.
   *
   * Throws PlatformError: `handler_not_found`, `not_deployed`, `unavailable`; `misdirected` if other nodes hold it.
   */
  find(address: Address, choice: RolloutChoice | null, tried?: string | readonly string[]): LoadedDeployment {
    const { routes } = this.#options;
    const shared = choice === null ? undefined : routes.sharedOf(address.label);
    if (choice !== null && shared !== undefined && getsNewVersion(choice.bucket, shared.rollout))
      return shared.deployment;
    const found = routes.find(address.label);
    if (found === undefined) {
      // The handler was renamed while the request waited for code.
      const moved = routes.movedTo(address.label);
      if (moved !== null) return this.find({ ...address, label: moved }, choice, tried);
      throw new PlatformError('handler_not_found', 'There is no handler of this name.', {
        hints: this.#whereToLook(address),
      });
    }
    if (found === null) {
      const elsewhere = routes.elsewhereOf(address.label);
      if (elsewhere !== undefined) throw this.#misdirected(elsewhere, tried);
      const reason = routes.unservedReason(address.label);
      if (reason !== undefined)
        throw new PlatformError('unavailable', `This function cannot be served here: ${reason}.`, {
          retryAfterSeconds: 30,
        });
      throw new PlatformError('not_deployed', 'Nothing has been deployed to this handler yet.', {
        hints: ['git push wasmcloud main deploys it'],
      });
    }
    return found;
  }

  /**
   * Makes the error for a function that other nodes hold: names them in turn, so that one that has died is not all
   * callers'.
   */
  #misdirected({ nodes, labels }: Elsewhere, tried: string | readonly string[] | undefined): PlatformError {
    const others = nodes.filter((url) => url !== tried);
    const named = others.length > 0 ? others : nodes;
    this.#misdirections += 1;
    const nodeUrl = named[this.#misdirections % Math.max(1, named.length)];
    if (nodeUrl !== undefined)
      return new PlatformError('misdirected', 'Another node serves this function; the header trisiel-node names it.', {
        nodeUrl,
        hints: [`a proxy that follows the header sends the call to ${nodeUrl}`],
      });
    const text = `This function asks for nodes with ${labels === '' ? 'no labels' : labels}, and no node that lives has that.`;
    return new PlatformError('unavailable', text, { retryAfterSeconds: 5 });
  }

  /** Hints for a caller at a name or path without a handler, who may have mixed up the ports. */
  #whereToLook({ port }: Address): readonly string[] {
    const { domain, services, homeUrl } = this.#options;
    const scheme = services.isHttps ? 'https' : 'http';
    const shown = port === (services.isHttps ? '443' : '80') ? '' : `:${port}`;
    return [
      `functions answer at ${scheme}://NAME.${domain}${shown} and at ${scheme}://${domain}${shown}/NAME/`,
      ...(homeUrl === null ? [] : [`the API, git and the book are at ${homeUrl}/`]),
    ];
  }
}
