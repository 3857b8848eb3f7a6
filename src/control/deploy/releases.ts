/**
 * Makes Deployments live and ends them: the database stores the versions that a handler serves, and this class makes
 * runners serve them. Changes of one handler run one after the other.
 */
import type { DeploymentSpec, UnservedLabel } from '../../protocol/messages.ts';
import type { HandlerId } from '../../protocol/names.ts';
import type { Nodes, ReleaseFeed, ReleaseState } from '../../protocol/ports.ts';
import { previewLabel } from '../../protocol/previews.ts';
import { notLoaded } from '../../protocol/released.ts';
import type { Rollout } from '../../protocol/rollouts.ts';
import { KeyedMutex } from '../../waiting/keyed-mutex.ts';
import type { Repositories } from '../git/repositories.ts';
import type { Handlers } from '../handlers/handlers.ts';
import { type DeploymentRow, deployBranch } from './deployment-row.ts';
import type { DeploymentStore } from './deployment-store.ts';
import type { PreviewRow, PreviewStore } from './preview-store.ts';
import type { RolloutRow, RolloutStore } from './rollout-store.ts';
import type { ServedLabels } from './served-labels.ts';
import type { KnownParts, Specs } from './specs.ts';

export interface ReleasesOptions {
  readonly store: DeploymentStore;
  readonly previewStore: PreviewStore;
  readonly servedLabels: ServedLabels;
  readonly rollouts: RolloutStore;
  readonly specs: Specs;
  readonly handlers: Pick<Handlers, 'existing' | 'findById'>;
  readonly repositories: Pick<Repositories, 'pin'>;
  readonly feed: ReleaseFeed;
  readonly nodes: Nodes;
  /** Receives a failure of the platform, for the platform's own log. */
  readonly report: (message: string, error: unknown) => void;
}

export class Releases {
  readonly #options: ReleasesOptions;
  readonly #locks = new KeyedMutex();
  /**
   * Compiled specs that runners do not serve yet, each with its label. The key is `HANDLERID BRANCH`, or
   * `HANDLERID BRANCH gradual` for the spec of a gradual release.
   */
  readonly #prepared = new Map<string, { readonly label: string; readonly specId: string }>();

  constructor(options: ReleasesOptions) {
    this.#options = options;
  }

  /** Returns what is served of every label. Reports a Deployment whose spec cannot be made, which is `unserved`. */
  async read(): Promise<ReleaseState> {
    const { servedLabels, specs, rollouts, report } = this.#options;
    const served: DeploymentSpec[] = [];
    const shared = await this.#sharedSpecs(await rollouts.all());
    const known = await servedLabels.withoutRelease();
    const unserved: UnservedLabel[] = [];
    for (const row of await servedLabels.live()) {
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
        const label = row.preview === null ? row.handler : previewLabel(row.preview.slug, row.handler);
        unserved.push({ label, reason: notLoaded });
      }
    }
    return {
      specs: [...served, ...[...shared.values()].map(({ spec }) => spec)],
      releases: served.map(({ label, specId }) => ({ label, specId, rollout: shared.get(label)?.rollout ?? null })),
      known,
      unserved,
      moved: await servedLabels.formerNames(),
      domains: await servedLabels.domains(),
      owners: await servedLabels.owners(),
    };
  }

  /**
   * Lets runners compile a staged or retired Deployment without serving it. Throws `vet_failed` when a runner cannot.
   */
  async prepare(row: DeploymentRow, known: KnownParts = {}): Promise<void> {
    await this.#locks.run(row.handler_id, async () => {
      const { name } = await this.#options.handlers.existing(row.handler_id);
      await this.#prepare(row, await this.#options.specs.specOf(row, name, known));
    });
  }

  /**
   * Makes a Deployment live: runners compile it, one transaction makes the Release, runners switch. `from`: state that
   * it must be in; `rollout`: it has a share of the calls. Returns the Deployment that it replaces. Throws `not_found`
   * (the handler has been deleted), `conflict` (another state), `vet_failed`.
   */
  async makeLive(
    row: DeploymentRow,
    from: 'staged' | 'retired' | 'rollout',
    known: KnownParts = {},
  ): Promise<{ replaced: DeploymentRow | null }> {
    const { store, specs, handlers, repositories, report } = this.#options;
    return this.#locks.run(row.handler_id, async () => {
      // The handler may have been renamed or deleted during the push.
      const { name: handler } = await handlers.existing(row.handler_id);
      const spec = await specs.specOf(row, handler, known);
      // Compiles again when variables or the name have changed since, or after a restart of control: runners never
      // switch to a spec that is not compiled.
      await this.#prepare(row, spec);
      // Pin and release are independent; Recovery adds a missing pin.
      const pinned = repositories
        .pin(row.handler_id, row)
        .catch((error: unknown) => report(`v${row.number} of ${handler} could not be pinned`, error));
      const { replaced } = await store.release(row.id, from).finally(() => pinned);
      await this.#switch(row, spec);
      return { replaced };
    });
  }

  /**
   * Gives a Deployment in state `from` a share of the handler's calls: runners compile it, one transaction makes it
   * live beside the one of the Release, runners divide the calls. Throws as `makeLive` does, and `conflict` if the
   * handler has no Release.
   */
  async startRollout(
    row: DeploymentRow,
    from: 'staged' | 'retired',
    share: Pick<RolloutRow, 'percent' | 'header' | 'error_percent' | 'baseline'>,
    known: KnownParts = {},
  ): Promise<void> {
    const { specs, rollouts, handlers, repositories, report } = this.#options;
    await this.#locks.run(row.handler_id, async () => {
      const { name: handler } = await handlers.existing(row.handler_id);
      await this.#prepare(row, await specs.specOf(row, handler, known));
      await repositories
        .pin(row.handler_id, row)
        .catch((error: unknown) => report(`v${row.number} of ${handler} could not be pinned`, error));
      await rollouts.start({ ...share, handler_id: row.handler_id, deployment_id: row.id }, from);
      await this.#serveOwn(row.handler_id, handler);
    });
  }

  /**
   * Runs `change`, then serves the handler with the gradual release that the database has, both under one lock. Returns
   * the result of `change`.
   */
  async rolloutChanged<T>(handlerId: HandlerId, change: () => Promise<T>): Promise<T> {
    return this.#locks.run(handlerId, async () => {
      const { name } = await this.#options.handlers.existing(handlerId);
      const result = await change();
      await this.#serveOwn(handlerId, name);
      return result;
    });
  }

  /**
   * Serves the live Deployments with current variables and settings: the handler's own and those of its previews, or
   * with `branch` that preview's only. Returns the Deployment of the handler, or of the branch; null when none is live.
   */
  async refresh(
    handlerId: HandlerId,
    branch: string | null = null,
  ): Promise<{ readonly number: number; readonly slug: string } | null> {
    return this.#locks.run(handlerId, async () => {
      const { store, previewStore, handlers } = this.#options;
      const { name } = await handlers.existing(handlerId);
      const all = branch === null ? await store.liveOfAll(handlerId) : [await store.live(handlerId, branch)];
      for (const row of all) if (row !== null) await this.#serve(row, name);
      const live = all.find((row) => row?.branch === (branch ?? deployBranch)) ?? null;
      if (live === null) return null;
      return { number: live.number, slug: (await previewStore.of(live))?.slug ?? '' };
    });
  }

  /** Tells runners that the handler exists with nothing deployed. */
  async announce(handlerId: HandlerId): Promise<void> {
    const { feed, handlers } = this.#options;
    await feed.announce((await handlers.existing(handlerId)).name);
  }

  /**
   * Serves a handler and its previews under the name `to`, and redirects callers of the name before. `rename` changes
   * the name in the database, and returns former names that became free. Runners compile before it and switch after it,
   * the new labels first, so that a call finds one of the two names at any time. Returns the name before. Throws as
   * `rename` does, `not_found`, `vet_failed`; nothing has changed if it throws before `rename` has returned.
   */
  async rename(
    handlerId: HandlerId,
    to: string,
    rename: () => Promise<{ readonly before: string; readonly freed: readonly string[] }>,
  ): Promise<string> {
    const { store, previewStore, specs, rollouts, handlers, feed } = this.#options;
    return this.#locks.run(handlerId, async () => {
      const { name } = await handlers.existing(handlerId);
      if (name === to) return name;
      const live = await store.liveOfAll(handlerId);
      const previews = await previewStore.list(handlerId);
      const rollout = await rollouts.of(handlerId);
      const shared = rollout === null ? null : await this.#sharedSpec(rollout, to);
      try {
        for (const row of live) await this.#prepare(row, await specs.specOf(row, to));
        const own = live.find(({ branch }) => branch === deployBranch);
        if (shared !== null && own !== undefined) await this.#prepare(own, shared.spec, ' gradual');
        const { before, freed } = await rename();
        // At once, before another handler can take one of them.
        await Promise.all(freed.map((label) => feed.remove(label)));
        if (own === undefined) await feed.announce(to);
        for (const row of live) await this.#serve(row, to);
        await this.#serveDomains(handlerId);
        await this.#leave(handlerId, before, previews);
        return before;
      } catch (error) {
        for (const { branch } of live) for (const as of ['', ' gradual']) this.forgetPrepared(handlerId, branch + as);
        throw error;
      }
    });
  }

  /** Redirects callers of the name `before`, and of earlier ones, and stops serving `before` and its previews. */
  async #leave(handlerId: HandlerId, before: string, previews: readonly PreviewRow[]): Promise<void> {
    const { servedLabels, feed, nodes } = this.#options;
    const labels = previews.map(({ slug }) => previewLabel(slug, before));
    const served = [before, ...labels].flatMap((label) => feed.serving(label));
    // Oldest first: until `before` itself is redirected, names that were redirected to it find it.
    // All are sent at once: a name that another handler takes meanwhile must not be redirected after it.
    const former = await servedLabels.formerNamesOf(handlerId);
    for (const revision of await Promise.all(former.map(({ label, to }) => feed.redirect(label, to))))
      await nodes.applied(revision);
    for (const label of labels) await nodes.applied(await feed.remove(label));
    for (const specId of served) nodes.forget(specId);
  }

  /**
   * Removes a preview: runners answer its label with `handler_not_found`. Returns its Deployments, which have ended;
   * null: there is no such preview.
   */
  async removePreview(handlerId: HandlerId, branch: string): Promise<readonly DeploymentRow[] | null> {
    const { previewStore, feed, nodes } = this.#options;
    return this.#locks.run(handlerId, async () => {
      const preview = await previewStore.find(handlerId, branch);
      const rows = await previewStore.remove(handlerId, branch);
      if (preview === null) return rows;
      const served = feed.serving(preview.label);
      await nodes.applied(await feed.remove(preview.label));
      this.forgetPrepared(handlerId, branch);
      for (const specId of served) nodes.forget(specId);
      return rows;
    });
  }

  /** Lets runners stop serving a deleted handler. */
  async remove(handlerId: HandlerId): Promise<void> {
    const { handlers, feed, nodes, previewStore, servedLabels } = this.#options;
    await this.#locks.run(handlerId, async () => {
      const handler = await handlers.findById(handlerId);
      if (handler === null) return;
      const own = { branch: deployBranch, label: handler.name };
      for (const { branch, label } of [own, ...(await previewStore.list(handlerId))]) {
        const served = feed.serving(label);
        await feed.remove(label);
        this.forgetPrepared(handlerId, branch);
        for (const specId of served) nodes.forget(specId);
      }
      for (const { label } of await servedLabels.formerNamesOf(handlerId)) await feed.remove(label);
      await this.#serveDomains(handlerId);
    });
  }

  /** Lets runners serve a restored handler and its previews again. */
  async restore(handlerId: HandlerId): Promise<void> {
    await this.#locks.run(handlerId, async () => {
      const { name } = await this.#options.handlers.existing(handlerId);
      const rows = await this.#options.store.liveOfAll(handlerId);
      if (!rows.some(({ branch }) => branch === deployBranch)) await this.#options.feed.announce(name);
      for (const row of rows) await this.#serve(row, name);
      for (const { label, to } of await this.#options.servedLabels.formerNamesOf(handlerId))
        await this.#options.feed.redirect(label, to);
      await this.#serveDomains(handlerId);
    });
  }

  /**
   * Serves a custom domain under the handler that the database has for it, or under none. Reads and tells under one
   * lock, so that runners end with what was stored last.
   */
  async serveDomain(domain: string): Promise<void> {
    const { servedLabels, feed, nodes } = this.#options;
    await this.#locks.run(domainsLock, async () => {
      await nodes.applied(await feed.domain(domain, await servedLabels.handlerOfDomain(domain)));
    });
  }

  /** Serves the custom domains of a handler that was renamed, deleted or restored. */
  async #serveDomains(handlerId: HandlerId): Promise<void> {
    for (const domain of await this.#options.servedLabels.domainsOf(handlerId)) await this.serveDomain(domain);
  }

  /** Runs `work` while no Release of the handler is made or changed. Returns the result of `work`. */
  exclusively<T>(handlerId: HandlerId, work: () => Promise<T>): Promise<T> {
    return this.#locks.run(handlerId, work);
  }

  /** Lets runners free specs that they have compiled for a branch ('': the handler itself) and do not serve. */
  forgetPrepared(handlerId: HandlerId, branch: string): void {
    const { feed, nodes } = this.#options;
    const key = `${handlerId} ${branch}`;
    const unused = this.#prepared.get(key);
    this.#prepared.delete(key);
    if (unused !== undefined && !feed.serving(unused.label).includes(unused.specId)) nodes.forget(unused.specId);
  }

  /** Serves a live Deployment; that of the deploy branch with its gradual release. */
  async #serve(row: DeploymentRow, handler: string): Promise<void> {
    const { specs, rollouts } = this.#options;
    const found = row.branch === deployBranch ? await rollouts.of(row.handler_id) : null;
    const shared = found === null ? null : await this.#sharedSpec(found, handler);
    const spec = await specs.specOf(row, handler);
    await this.#prepare(row, spec);
    if (shared !== null) await this.#prepare(row, shared.spec, ' gradual');
    await this.#switch(row, spec, shared?.rollout ?? null);
  }

  /** Serves the deploy branch of a handler with the versions that the database has. */
  async #serveOwn(handlerId: HandlerId, handler: string): Promise<void> {
    const live = await this.#options.store.live(handlerId);
    if (live !== null) await this.#serve(live, handler);
  }

  async #sharedSpec(row: RolloutRow, handler: string): Promise<Shared | null> {
    const { store, specs } = this.#options;
    const deployment = await store.byId(row.deployment_id);
    if (deployment === null) return null;
    const spec = await specs.specOf(deployment, handler);
    return { spec, rollout: { id: row.id, specId: spec.specId, percent: Number(row.percent), header: row.header } };
  }

  /** Returns the specs of gradual releases by label. Leaves out and reports one whose Artifact is damaged. */
  async #sharedSpecs(rows: readonly RolloutRow[]): Promise<ReadonlyMap<string, Shared>> {
    const found = new Map<string, Shared>();
    for (const row of rows) {
      try {
        const { name } = await this.#options.handlers.existing(row.handler_id);
        const shared = await this.#sharedSpec(row, name);
        if (shared !== null) found.set(name, shared);
      } catch (error) {
        this.#options.report(`the gradual release of ${row.handler_id} cannot be served`, error);
      }
    }
    return found;
  }

  /**
   * Makes runners compile `spec`. `as` is ' gradual' for the version with a share of the calls, so that both versions
   * can be prepared.
   */
  async #prepare(row: DeploymentRow, spec: DeploymentSpec, as = ''): Promise<void> {
    const { feed, nodes } = this.#options;
    const key = keyOf(row) + as;
    const held = ['', ' gradual'].map((kind) => this.#prepared.get(keyOf(row) + kind)?.specId);
    if ([...held, ...feed.serving(spec.label)].includes(spec.specId)) return;
    this.forgetPrepared(row.handler_id, row.branch + as);
    await nodes.prepare(spec);
    this.#prepared.set(key, { label: spec.label, specId: spec.specId });
  }

  async #switch(row: DeploymentRow, spec: DeploymentSpec, rollout: Rollout | null = null): Promise<void> {
    const { feed, nodes } = this.#options;
    const before = feed.serving(spec.label);
    const now = rollout === null ? [spec.specId] : [spec.specId, rollout.specId];
    for (const key of [keyOf(row), `${keyOf(row)} gradual`])
      if (now.includes(this.#prepared.get(key)?.specId ?? '')) this.#prepared.delete(key);
    await nodes.applied(await feed.release(spec, rollout));
    for (const specId of before) if (!now.includes(specId)) nodes.forget(specId);
  }
}

/** A version that gets a share of the calls. */
interface Shared {
  readonly spec: DeploymentSpec;
  readonly rollout: Rollout;
}

/** Key of the lock on custom domains; it is no handler's id. */
const domainsLock = 'domains';

function keyOf({ handler_id, branch }: DeploymentRow): string {
  return `${handler_id} ${branch}`;
}
