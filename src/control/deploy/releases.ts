/**
 * Makes Deployments live and takes them out: the database stores what a handler serves, and this class makes runners
 * serve it. Changes of one handler run one after the other.
 */
import { PlatformError } from '../../protocol/errors.ts';
import type { DeploymentSpec } from '../../protocol/messages.ts';
import type { Nodes, ReleaseFeed, ReleaseState } from '../../protocol/ports.ts';
import { previewLabel } from '../../protocol/previews.ts';
import { KeyedMutex } from '../../waiting/keyed-mutex.ts';
import type { Repositories } from '../git/repositories.ts';
import type { Handlers } from '../handlers/handlers.ts';
import { type DeploymentRow, type DeploymentStore, deployBranch } from './deployment-store.ts';
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
  /** Specs that runners have compiled and do not serve yet, by `HANDLERID BRANCH`, each with its label. */
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
        const { module, ownerId, hasVariables, settings, preview } = row;
        const spec = await specs.specOf(row, row.handler, {
          module,
          ownerId,
          settings,
          preview,
          ...(hasVariables ? {} : { variables: {} }),
        });
        served.push(spec);
      } catch (error) {
        report(`v${row.number} of ${row.handler} cannot be served`, error);
        known.push(row.preview === null ? row.handler : previewLabel(row.preview.slug, row.handler));
      }
    }
    return {
      specs: served,
      releases: served.map(({ label, specId }) => ({ label, specId })),
      known,
      owners: await store.owners(),
    };
  }

  /**
   * Lets runners compile a staged or retired Deployment without serving it. Throws `vet_failed` when a runner cannot.
   */
  async prepare(row: DeploymentRow, handler: string, known: KnownParts = {}): Promise<void> {
    await this.#locks.run(row.handler_id, async () => {
      await this.#prepare(row, await this.#options.specs.specOf(row, handler, known));
    });
  }

  /**
   * Makes a Deployment live: runners compile it, one transaction makes the Release, runners switch. `from`: state that
   * it must be in. Returns the Deployment that it replaces. Throws `not_found` (the handler has been deleted),
   * `conflict` (another state), `vet_failed`.
   */
  async makeLive(
    row: DeploymentRow,
    handler: string,
    from: 'staged' | 'retired',
    known: KnownParts = {},
  ): Promise<{ replaced: DeploymentRow | null }> {
    const { store, specs, repositories, report } = this.#options;
    return this.#locks.run(row.handler_id, async () => {
      await this.#existing(row.handler_id); // The handler may have been deleted during the push.
      const spec = await specs.specOf(row, handler, known);
      // Compiles again when variables have changed since, or after a restart of control: runners never switch to a spec
      // that is not compiled.
      await this.#prepare(row, spec);
      // Pin and release are independent; Recovery adds a missing pin.
      const pinned = repositories
        .pin(row.handler_id, row.number, row.commit)
        .catch((error: unknown) => report(`v${row.number} of ${handler} could not be pinned`, error));
      const { replaced } = await store.release(row.id, from).finally(() => pinned);
      await this.#switch(row, spec);
      return { replaced };
    });
  }

  /**
   * Serves the live Deployments with current variables and settings: the handler's own and those of its previews, or
   * with `branch` that preview's only. Returns the Deployment of the handler, or of the branch; null when none is live.
   */
  async refresh(
    handlerId: string,
    branch: string | null = null,
  ): Promise<{ readonly number: number; readonly slug: string } | null> {
    return this.#locks.run(handlerId, async () => {
      const { name } = await this.#existing(handlerId);
      const { store } = this.#options;
      const all = branch === null ? await store.liveOfAll(handlerId) : [await store.live(handlerId, branch)];
      for (const row of all) if (row !== null) await this.#serve(row, name);
      const live = all.find((row) => row?.branch === (branch ?? deployBranch)) ?? null;
      if (live === null) return null;
      return { number: live.number, slug: (await store.previewOf(live))?.slug ?? '' };
    });
  }

  /** Tells runners that the handler exists with nothing deployed. */
  async announce(handlerId: string): Promise<void> {
    await this.#options.feed.announce((await this.#existing(handlerId)).name);
  }

  /**
   * Removes a preview: runners answer its label with `handler_not_found`. Returns its Deployments, which have ended;
   * null: there is no such preview.
   */
  async removePreview(handlerId: string, branch: string): Promise<readonly DeploymentRow[] | null> {
    const { store, feed, nodes } = this.#options;
    return this.#locks.run(handlerId, async () => {
      const preview = (await store.previews(handlerId)).find((one) => one.branch === branch);
      const rows = await store.removePreview(handlerId, branch);
      if (preview === undefined) return rows;
      const served = feed.lookup(preview.label);
      await nodes.applied(await feed.remove(preview.label));
      this.forgetPrepared(handlerId, branch);
      if (served !== null) nodes.forget(served);
      return rows;
    });
  }

  /** Lets runners stop serving a deleted handler. */
  async remove(handlerId: string): Promise<void> {
    const { handlers, feed, nodes, store } = this.#options;
    await this.#locks.run(handlerId, async () => {
      const handler = await handlers.findById(handlerId);
      if (handler === null) return;
      const own = { branch: deployBranch, label: handler.name };
      for (const { branch, label } of [own, ...(await store.previews(handlerId))]) {
        const served = feed.lookup(label);
        await feed.remove(label);
        this.forgetPrepared(handlerId, branch);
        if (served !== null) nodes.forget(served);
      }
    });
  }

  /** Lets runners serve a restored handler and its previews again. */
  async restore(handlerId: string): Promise<void> {
    await this.#locks.run(handlerId, async () => {
      const { name } = await this.#existing(handlerId);
      const rows = await this.#options.store.liveOfAll(handlerId);
      if (!rows.some(({ branch }) => branch === deployBranch)) await this.#options.feed.announce(name);
      for (const row of rows) await this.#serve(row, name);
    });
  }

  /** Runs `work` while no Release of the handler is made or changed. Returns the result of `work`. */
  exclusively<T>(handlerId: string, work: () => Promise<T>): Promise<T> {
    return this.#locks.run(handlerId, work);
  }

  /** Lets runners free specs that they have compiled for a branch ('': the handler itself) and do not serve. */
  forgetPrepared(handlerId: string, branch: string): void {
    const { feed, nodes } = this.#options;
    const key = `${handlerId} ${branch}`;
    const unused = this.#prepared.get(key);
    this.#prepared.delete(key);
    if (unused !== undefined && unused.specId !== feed.lookup(unused.label)) nodes.forget(unused.specId);
  }

  async #serve(row: DeploymentRow, handler: string): Promise<void> {
    const spec = await this.#options.specs.specOf(row, handler);
    await this.#prepare(row, spec);
    await this.#switch(row, spec);
  }

  async #prepare(row: DeploymentRow, spec: DeploymentSpec): Promise<void> {
    const { feed, nodes } = this.#options;
    const key = keyOf(row);
    const ready = [this.#prepared.get(key)?.specId, feed.lookup(spec.label)];
    if (ready.includes(spec.specId)) return;
    this.forgetPrepared(row.handler_id, row.branch);
    await nodes.prepare(spec);
    this.#prepared.set(key, { label: spec.label, specId: spec.specId });
  }

  async #switch(row: DeploymentRow, spec: DeploymentSpec): Promise<void> {
    const { feed, nodes } = this.#options;
    const before = feed.lookup(spec.label);
    const key = keyOf(row);
    if (this.#prepared.get(key)?.specId === spec.specId) this.#prepared.delete(key);
    await nodes.applied(await feed.release(spec));
    if (before !== null && before !== spec.specId) nodes.forget(before);
  }

  async #existing(handlerId: string): Promise<{ readonly name: string }> {
    const handler = await this.#options.handlers.findById(handlerId);
    if (handler === null || handler.deletedMs !== null) throw new PlatformError('not_found', 'no such handler');
    return handler;
  }
}

function keyOf({ handler_id, branch }: DeploymentRow): string {
  return `${handler_id} ${branch}`;
}
