/** The deploy station: takes pushes, makes Deployments live, rolls back, and recovers what was interrupted. */

import { PlatformError } from '../../protocol/errors.ts';
import type { DeploymentSpec } from '../../protocol/messages.ts';
import { logLevels } from '../../protocol/nouns.ts';
import type { Deployer, Fleet, FleetState, LogAppender } from '../../protocol/ports.ts';
import type { IncomingPush, PushReceiver, PushSession } from '../../protocol/push.ts';
import { KeyedMutex } from '../../waiting/keyed-mutex.ts';
import type { RandomBytes } from '../accounts/secrets.ts';
import type { ArtifactStore } from '../artifacts/artifact-store.ts';
import type { Database } from '../db/database.ts';
import type { Repositories } from '../git/repositories.ts';
import type { HandlerEnv } from '../handlers/env.ts';
import type { Handlers } from '../handlers/handlers.ts';
import { type DeploymentRow, DeploymentStore } from './deployment-store.ts';
import { DeployPush } from './push.ts';
import { type KnownParts, Specs } from './specs.ts';
import type { VetPool } from './vet.ts';

export interface DeploymentsOptions {
  readonly db: Database;
  readonly repositories: Repositories;
  readonly artifacts: ArtifactStore;
  readonly vet: Pick<VetPool, 'vet'>;
  readonly fleet: Fleet;
  readonly logs: LogAppender;
  readonly handlers: Handlers;
  readonly env: Pick<HandlerEnv, 'envOf'>;
  /** Public URL of a handler, for the last lines of a push. */
  readonly urlOf: (handler: string) => string;
  /** Where provided imports are documented. */
  readonly docsUrl: () => string;
  /** Unix milliseconds. */
  readonly now: () => number;
  readonly randomBytes: RandomBytes;
  /** What went wrong on our side, for the platform's own log. */
  readonly report: (message: string, error: unknown) => void;
}

/** Longest pause between two tries to settle a Deployment. A restart tries at once. */
const settleMsMax = 30_000;

export class Deployments implements Deployer, PushReceiver {
  readonly store: DeploymentStore;
  readonly specs: Specs;
  readonly options: DeploymentsOptions;
  readonly #locks = new KeyedMutex();
  /** Handler id -> id of the spec its runners serve; to be forgotten when another takes its place. */
  readonly #served = new Map<string, string>();
  /** Handler id -> id of a spec that runners have compiled and nobody serves yet. */
  readonly #prepared = new Map<string, string>();

  constructor(options: DeploymentsOptions) {
    this.options = options;
    this.store = new DeploymentStore(options);
    this.specs = new Specs({ store: this.store, artifacts: options.artifacts, env: options.env });
  }

  begin(push: IncomingPush): PushSession {
    return new DeployPush(this, push);
  }

  /** What a fresh runner is told first. A Deployment whose Artifact is damaged is left out and reported. */
  async fleetState(): Promise<FleetState> {
    const specs = [];
    const known = [...(await this.store.withoutRelease())];
    for (const row of await this.store.allLive()) {
      try {
        const { module, hasVariables } = row;
        const spec = await this.specs.specOf(row, row.handler, { module, ...(hasVariables ? {} : { variables: {} }) });
        specs.push(spec);
        this.#served.set(row.handler_id, spec.deploymentId);
      } catch (error) {
        this.options.report(`v${row.number} of ${row.handler} cannot be served`, error);
        known.push(row.handler);
      }
    }
    return { specs, releases: specs.map(({ handler, deploymentId }) => ({ label: handler, deploymentId })), known };
  }

  /** Lets runners compile a staged or retired Deployment; nothing is switched. Throws `vet_failed` where one cannot. */
  async prepare(row: DeploymentRow, handler: string, known: KnownParts = {}): Promise<void> {
    await this.#locks.run(row.handler_id, async () => {
      await this.#prepare(await this.specs.specOf(row, handler, known));
    });
  }

  /** Makes a Deployment live: runners have compiled it, then the database says so in one transaction, then runners switch. */
  async makeLive(
    row: DeploymentRow,
    handler: string,
    from: 'staged' | 'retired',
    known: KnownParts = {},
  ): Promise<{ replaced: DeploymentRow | null }> {
    return this.#locks.run(row.handler_id, async () => {
      await this.#existing(row.handler_id); // it may have been deleted during the push
      const spec = await this.specs.specOf(row, handler, known);
      // Again where variables changed since, or control is a new one: never switch to what is not compiled.
      await this.#prepare(spec);
      // The pin and the release touch nothing of each other; recover() mends a pin that is missing.
      const pinned = this.options.repositories
        .pin(row.handler_id, row.number, row.commit)
        .catch((error: unknown) => this.options.report(`v${row.number} of ${handler} could not be pinned`, error));
      const { replaced } = await this.store.release(row.id, from).finally(() => pinned);
      await this.#switch(spec);
      return { replaced };
    });
  }

  async rollback({ handlerId, number, userId }: Parameters<Deployer['rollback']>[0]): Promise<void> {
    const handler = await this.#existing(handlerId);
    const row = await this.store.byNumber(handlerId, number);
    if (row === null)
      throw new PlatformError('not_found', `${handler.name} has no v${number}`, {
        hints: [`see what there is: wasmcloud deployments ${handler.name}`],
      });
    if (row.state === 'live') throw new PlatformError('conflict', `v${number} is live already`);
    if (row.state !== 'retired')
      throw new PlatformError('conflict', `v${number} was never live: it is ${row.state}`, {
        hints: [`see what there is: wasmcloud deployments ${handler.name}`],
      });
    await this.prepare(row, handler.name);
    const { replaced } = await this.makeLive(row, handler.name, 'retired');
    const user = await this.options.db.selectFrom('users').select('name').where('id', '=', userId).executeTakeFirst();
    const by = user === undefined ? '' : ` by ${user.name}`;
    const instead = replaced === null ? '' : `, replacing v${replaced.number}`;
    await this.log(handler.name, number, 'info', `rolled back to v${number}${instead}${by}`);
  }

  async environmentChanged(handlerId: string): Promise<void> {
    await this.#locks.run(handlerId, async () => {
      const handler = await this.#existing(handlerId);
      const live = await this.store.live(handlerId);
      if (live === null) return;
      await this.#serve(live, handler.name);
      await this.log(handler.name, live.number, 'info', `v${live.number} runs with the changed environment`);
    });
  }

  async handlerCreated(handlerId: string): Promise<void> {
    this.options.fleet.announce((await this.#existing(handlerId)).name);
  }

  async handlerDeleted(handlerId: string): Promise<void> {
    await this.#locks.run(handlerId, async () => {
      const handler = await this.options.handlers.findById(handlerId);
      if (handler === null) return;
      this.options.fleet.remove(handler.name);
      this.#forgetPrepared(handlerId);
      const served = this.#served.get(handlerId);
      this.#served.delete(handlerId);
      if (served !== undefined) this.options.fleet.forget(served);
    });
  }

  async handlerRestored(handlerId: string): Promise<void> {
    await this.#locks.run(handlerId, async () => {
      const handler = await this.#existing(handlerId);
      const live = await this.store.live(handlerId);
      if (live === null) this.options.fleet.announce(handler.name);
      else await this.#serve(live, handler.name);
    });
  }

  /**
   * Finishes or fails what was interrupted (SAFETY.md, faults 10 and 11), by what git has: where the ref is at the
   * staged commit, the push was accepted and its module has been compiled by runners, so it becomes live;
   * else the push was not accepted, and it fails. To be called at start, before runners ask for fleetState().
   */
  async recover(): Promise<void> {
    const { repositories, report } = this.options;
    for (const id of await repositories.list())
      await repositories.endOrphan(id).catch((error: unknown) => report(`a push to ${id} could not be ended`, error));
    for (const row of await this.store.staged()) {
      try {
        await this.settle(row, async () => {
          await this.store.release(row.id, 'staged');
        });
      } catch (error) {
        this.options.report(`the staged deployment ${row.id} could not be settled`, error);
      }
    }
    await this.#mendPins();
    await this.#removeStrayRepositories();
  }

  /** One staged Deployment whose push has ended: `finish` if git moved the ref to it, else it fails. */
  async settle(row: DeploymentRow, finish: () => Promise<void>): Promise<void> {
    const handler = await this.options.handlers.findById(row.handler_id);
    const isGone = handler === null || handler.deletedMs !== null;
    const refs = await this.options.repositories.refs(row.handler_id);
    if (!isGone && refs.get(row.ref) === row.commit) {
      await finish();
      await this.log(handler.name, row.number, 'info', `deployed v${row.number} (finished after an interruption)`);
      return;
    }
    const failure = isGone ? 'the handler was deleted' : 'the push was interrupted';
    const failed = await this.store.fail(row.id, failure);
    this.#forgetPrepared(row.handler_id);
    if (failed && handler !== null)
      await this.log(handler.name, row.number, 'error', `v${row.number} failed: ${failure}`);
  }

  /**
   * The push of this staged Deployment has ended: settles it, now or, where that fails (the disk is full, no
   * runner is up), as soon as it can be done. Meanwhile what was live stays live.
   */
  async settleEnded(row: DeploymentRow, handler: string, known: KnownParts = {}, delayMs = 1_000): Promise<void> {
    try {
      await this.settle(row, async () => {
        await this.makeLive(row, handler, 'staged', known);
      });
    } catch (error) {
      this.options.report(`v${row.number} of ${handler} could not be settled; next try in ${delayMs} ms`, error);
      const again = () => void this.settleEnded(row, handler, {}, Math.min(delayMs * 2, settleMsMax));
      setTimeout(again, delayMs).unref();
    }
  }

  /** While `work` runs, no Artifact of `names` is removed as unused. */
  async keeping<T>(names: readonly string[], work: () => Promise<T>): Promise<T> {
    const [first, ...others] = [...names].sort();
    if (first === undefined) return work();
    return this.#locks.run(`artifact ${first}`, () => this.keeping(others, work));
  }

  /** To be called now and then: removes Artifacts that no Deployment has any more, packs repositories. */
  async maintain(): Promise<void> {
    const { artifacts, repositories } = this.options;
    const used = await this.store.usedArtifacts();
    for (const name of await artifacts.list()) {
      if (used.has(name)) continue;
      await this.keeping([name], async () => {
        // Asked again, now that no push can be about to use it.
        if ((await this.store.usedArtifacts()).has(name)) return;
        await this.store.removeArtifact(name);
        await artifacts.remove(name);
      });
    }
    await repositories.maintain();
  }

  /** A line in the handler's log. That it cannot be written is no reason to fail what it tells of. */
  async log(handler: string, deployment: number, level: 'info' | 'error', text: string): Promise<void> {
    const line = { handler, deployment, invocation: '', seq: 1, timeMs: this.options.now(), gas: 0 } as const;
    await this.options.logs
      .append([{ ...line, stream: 'platform', level: logLevels[level], text }])
      .catch((error: unknown) => this.options.report('a platform log line was lost', error));
  }

  async #serve(row: DeploymentRow, handler: string): Promise<void> {
    const spec = await this.specs.specOf(row, handler);
    await this.#prepare(spec);
    await this.#switch(spec);
  }

  async #prepare(spec: DeploymentSpec): Promise<void> {
    const ready = [this.#prepared.get(spec.handlerId), this.#served.get(spec.handlerId)];
    if (ready.includes(spec.deploymentId)) return;
    this.#forgetPrepared(spec.handlerId);
    await this.options.fleet.prepare(spec);
    this.#prepared.set(spec.handlerId, spec.deploymentId);
  }

  async #switch(spec: DeploymentSpec): Promise<void> {
    const before = this.#served.get(spec.handlerId);
    if (this.#prepared.get(spec.handlerId) === spec.deploymentId) this.#prepared.delete(spec.handlerId);
    this.#served.set(spec.handlerId, spec.deploymentId);
    await this.options.fleet.release(spec.handler, spec.deploymentId);
    if (before !== undefined && before !== spec.deploymentId) this.options.fleet.forget(before);
  }

  /** A Deployment that was compiled and then not released. */
  #forgetPrepared(handlerId: string): void {
    const unused = this.#prepared.get(handlerId);
    this.#prepared.delete(handlerId);
    if (unused !== undefined && unused !== this.#served.get(handlerId)) this.options.fleet.forget(unused);
  }

  async #existing(handlerId: string): Promise<{ readonly name: string }> {
    const handler = await this.options.handlers.findById(handlerId);
    if (handler === null || handler.deletedMs !== null) throw new PlatformError('not_found', 'no such handler');
    return handler;
  }

  /** Nothing that is live may ever be collected, a force-push to its branch or not. */
  async #mendPins(): Promise<void> {
    const { repositories, report } = this.options;
    for (const row of await this.store.allLive()) {
      if (await repositories.pinned(row.handler_id, row.number)) continue;
      await repositories
        .pin(row.handler_id, row.number, row.commit)
        .catch((error: unknown) => report(`v${row.number} of ${row.handler} could not be pinned`, error));
    }
  }

  /** Of first pushes that a crash interrupted before their handler existed. */
  async #removeStrayRepositories(): Promise<void> {
    const { repositories } = this.options;
    const ids = await this.store.handlerIds();
    for (const id of await repositories.list()) {
      if (ids.has(id)) await repositories.sweep(id);
      else await repositories.remove(id);
    }
  }
}
