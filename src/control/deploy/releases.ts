/**
 * Makes Deployments live and takes them out: the database says what a handler serves, this class makes runners
 * serve it. Each handler's changes happen one after the other.
 */
import { PlatformError } from '../../protocol/errors.ts';
import type { DeploymentSpec } from '../../protocol/messages.ts';
import type { Nodes, ReleaseFeed, ReleaseState } from '../../protocol/ports.ts';
import { KeyedMutex } from '../../waiting/keyed-mutex.ts';
import type { Repositories } from '../git/repositories.ts';
import type { Handlers } from '../handlers/handlers.ts';
import type { DeploymentRow, DeploymentStore } from './deployment-store.ts';
import type { KnownParts, Specs } from './specs.ts';

export interface ReleasesOptions {
  readonly store: DeploymentStore;
  readonly specs: Specs;
  readonly handlers: Pick<Handlers, 'findById'>;
  readonly repositories: Pick<Repositories, 'pin'>;
  readonly feed: ReleaseFeed;
  readonly nodes: Nodes;
  /** Takes a failure of the platform, for the platform's own log. */
  readonly report: (message: string, error: unknown) => void;
}

export class Releases {
  readonly #options: ReleasesOptions;
  readonly #locks = new KeyedMutex();
  /** Handler id -> a spec that runners have compiled and do not serve yet, and the label that it is for. */
  readonly #prepared = new Map<string, { readonly label: string; readonly specId: string }>();

  constructor(options: ReleasesOptions) {
    this.#options = options;
  }

  /** Reads what every label is served with. Leaves out and reports a Deployment whose Artifact is damaged. */
  async read(): Promise<ReleaseState> {
    const { store, specs, report } = this.#options;
    const served: DeploymentSpec[] = [];
    const known = [...(await store.withoutRelease())];
    for (const row of await store.allLive()) {
      try {
        const { module, ownerId, hasVariables, settings } = row;
        const spec = await specs.specOf(row, row.handler, {
          module,
          ownerId,
          settings,
          ...(hasVariables ? {} : { variables: {} }),
        });
        served.push(spec);
      } catch (error) {
        report(`v${row.number} of ${row.handler} cannot be served`, error);
        known.push(row.handler);
      }
    }
    return {
      specs: served,
      releases: served.map(({ handler, specId }) => ({ label: handler, specId })),
      known,
      owners: await store.owners(),
    };
  }

  /** Lets runners compile a staged or retired Deployment; switches nothing. Throws `vet_failed` where a runner cannot. */
  async prepare(row: DeploymentRow, handler: string, known: KnownParts = {}): Promise<void> {
    await this.#locks.run(row.handler_id, async () => {
      await this.#prepare(await this.#options.specs.specOf(row, handler, known));
    });
  }

  /**
   * Makes a Deployment live: runners compile it, one transaction makes the Release, runners switch. `from` is the
   * state that it must be in. Returns the Deployment that it replaces.
   * Throws `not_found` (the handler has been deleted), `conflict` (another state), `vet_failed`.
   */
  async makeLive(
    row: DeploymentRow,
    handler: string,
    from: 'staged' | 'retired',
    known: KnownParts = {},
  ): Promise<{ replaced: DeploymentRow | null }> {
    const { store, specs, repositories, report } = this.#options;
    return this.#locks.run(row.handler_id, async () => {
      await this.#existing(row.handler_id); // it may have been deleted during the push
      const spec = await specs.specOf(row, handler, known);
      // Again where variables changed since, or control is a new one: runners never switch to what is not compiled.
      await this.#prepare(spec);
      // The pin and the release touch nothing of each other; Recovery mends a pin that is missing.
      const pinned = repositories
        .pin(row.handler_id, row.number, row.commit)
        .catch((error: unknown) => report(`v${row.number} of ${handler} could not be pinned`, error));
      const { replaced } = await store.release(row.id, from).finally(() => pinned);
      await this.#switch(spec);
      return { replaced };
    });
  }

  /** Serves the live Deployment with the handler's variables as they are now. Returns it; null when none is live. */
  async refresh(handlerId: string): Promise<{ readonly name: string; readonly number: number } | null> {
    return this.#locks.run(handlerId, async () => {
      const { name } = await this.#existing(handlerId);
      const live = await this.#options.store.live(handlerId);
      if (live === null) return null;
      await this.#serve(live, name);
      return { name, number: live.number };
    });
  }

  /** Tells runners that the handler exists and serves nothing. */
  async announce(handlerId: string): Promise<void> {
    await this.#options.feed.announce((await this.#existing(handlerId)).name);
  }

  /** Lets runners serve nothing of a deleted handler any more. */
  async remove(handlerId: string): Promise<void> {
    const { handlers, feed, nodes } = this.#options;
    await this.#locks.run(handlerId, async () => {
      const handler = await handlers.findById(handlerId);
      if (handler === null) return;
      const served = feed.lookup(handler.name);
      await feed.remove(handler.name);
      this.forgetPrepared(handlerId);
      if (served !== null) nodes.forget(served);
    });
  }

  /** Lets runners serve a restored handler as before it was deleted. */
  async restore(handlerId: string): Promise<void> {
    await this.#locks.run(handlerId, async () => {
      const { name } = await this.#existing(handlerId);
      const live = await this.#options.store.live(handlerId);
      if (live === null) await this.#options.feed.announce(name);
      else await this.#serve(live, name);
    });
  }

  /** Runs `work` while no Release of the handler is made or changed. Returns its result. */
  exclusively<T>(handlerId: string, work: () => Promise<T>): Promise<T> {
    return this.#locks.run(handlerId, work);
  }

  /** Lets runners drop what they have compiled for the handler and do not serve. */
  forgetPrepared(handlerId: string): void {
    const { feed, nodes } = this.#options;
    const unused = this.#prepared.get(handlerId);
    this.#prepared.delete(handlerId);
    if (unused !== undefined && unused.specId !== feed.lookup(unused.label)) nodes.forget(unused.specId);
  }

  async #serve(row: DeploymentRow, handler: string): Promise<void> {
    const spec = await this.#options.specs.specOf(row, handler);
    await this.#prepare(spec);
    await this.#switch(spec);
  }

  async #prepare(spec: DeploymentSpec): Promise<void> {
    const { feed, nodes } = this.#options;
    const ready = [this.#prepared.get(spec.handlerId)?.specId, feed.lookup(spec.handler)];
    if (ready.includes(spec.specId)) return;
    this.forgetPrepared(spec.handlerId);
    await nodes.prepare(spec);
    this.#prepared.set(spec.handlerId, { label: spec.handler, specId: spec.specId });
  }

  async #switch(spec: DeploymentSpec): Promise<void> {
    const { feed, nodes } = this.#options;
    const before = feed.lookup(spec.handler);
    if (this.#prepared.get(spec.handlerId)?.specId === spec.specId) this.#prepared.delete(spec.handlerId);
    await nodes.applied(await feed.release(spec));
    if (before !== null && before !== spec.specId) nodes.forget(before);
  }

  async #existing(handlerId: string): Promise<{ readonly name: string }> {
    const handler = await this.#options.handlers.findById(handlerId);
    if (handler === null || handler.deletedMs !== null) throw new PlatformError('not_found', 'no such handler');
    return handler;
  }
}
