/**
 * Runs gradual releases: gives a version a share of the calls beside the live one, until the release is finished,
 * aborted by command, or aborted because too many calls of the new version fail. Runners choose a version for each call
 * (src/runner/rollout-choice.ts).
 */
import { PlatformError } from '../../protocol/errors.ts';
import type { HandlerId } from '../../protocol/names.ts';
import { rolloutLimits } from '../../protocol/rollouts.ts';
import type { RolloutFigures, RolloutView } from '../../protocol/views.ts';
import type { Database } from '../db/database.ts';
import type { Handlers } from '../handlers/handlers.ts';
import { type DeploymentRow, deployBranch } from './deployment-row.ts';
import type { DeploymentStore } from './deployment-store.ts';
import { defaultRelease, releasedParts } from './effective-manifest.ts';
import type { OwnerLog } from './owner-log.ts';
import type { Releases } from './releases.ts';
import type { RolloutRow, RolloutStore } from './rollout-store.ts';
import type { KnownParts } from './specs.ts';

/** Sums of the counters of one version, without calls that the platform refused: they did not reach it. */
interface Sums {
  readonly invocations: number;
  readonly failures: number;
  readonly durationMs: number;
}

export interface RolloutsOptions {
  readonly db: Database;
  readonly store: DeploymentStore;
  readonly rollouts: RolloutStore;
  readonly releases: Pick<Releases, 'makeLive' | 'rolloutChanged' | 'startRollout'>;
  readonly handlers: Pick<Handlers, 'existing'>;
  readonly log: OwnerLog;
  /** Returns Unix milliseconds. */
  readonly now: () => number;
  /** Receives a failure of the platform, for the platform's own log. */
  readonly report: (message: string, error: unknown) => void;
}

const minuteMs = 60_000;
const nothing: Sums = { invocations: 0, failures: 0, durationMs: 0 };

export class Rollouts {
  readonly #options: RolloutsOptions;

  constructor(options: RolloutsOptions) {
    this.#options = options;
  }

  /**
   * Makes a staged Deployment live: with a share of the calls if its manifest says so and another version is live, else
   * at once. Returns the Deployment that it replaces, and the share in percent (null: all calls). Throws as
   * Releases.makeLive does.
   */
  async goLive(
    row: DeploymentRow,
    known: KnownParts = {},
  ): Promise<{ readonly replaced: DeploymentRow | null; readonly percent: number | null }> {
    const { store, releases } = this.#options;
    const { release } = releasedParts(row.manifest);
    const live = row.branch === deployBranch && release.percent !== null ? await store.live(row.handler_id) : null;
    if (live === null || release.percent === null)
      return { ...(await releases.makeLive(row, 'staged', known)), percent: null };
    const share = await this.#share(row, live, release.percent);
    await releases.startRollout(row, 'staged', share, known);
    return { replaced: live, percent: release.percent };
  }

  /** Implements Deployer.startRollout (src/protocol/ports.ts), with its errors. */
  async start(options: {
    readonly handlerId: HandlerId;
    readonly number: number;
    readonly percent: number;
    readonly by: string;
  }): Promise<void> {
    const { store, rollouts, releases, log } = this.#options;
    const { handlerId, number, percent, by } = options;
    const { name } = await this.#options.handlers.existing(handlerId);
    const row = await store.byNumber(handlerId, number);
    if (row === null)
      throw new PlatformError('not_found', `${name} has no v${number}`, {
        hints: [`see what there is: wasmcloud deployments ${name}`],
      });
    if (row.branch !== deployBranch)
      throw new PlatformError('conflict', `v${number} is of the preview ${row.branch}`, {
        hints: [`push it to the deploy branch: git push wasmcloud ${row.branch}:BRANCH`],
      });
    const live = await store.live(handlerId);
    if (live === null)
      throw new PlatformError('conflict', `${name} has no live version beside which v${number} could run`);
    const running = await rollouts.of(handlerId);
    if (running?.deployment_id === row.id) {
      await releases.rolloutChanged(handlerId, () => rollouts.setPercent(running.id, percent));
      await log.write(handlerId, number, 'info', `v${number} gets ${percent} % of the calls${by}`);
      return;
    }
    if (live.id === row.id) throw new PlatformError('conflict', `v${number} is live already`);
    if (row.state !== 'retired')
      throw new PlatformError('conflict', `v${number} was never live: it is ${row.state}`, {
        hints: [`see what there is: wasmcloud deployments ${name}`],
      });
    await releases.startRollout(row, 'retired', await this.#share(row, live, percent));
    await log.write(
      handlerId,
      number,
      'info',
      `v${number} gets ${percent} % of the calls, v${live.number} the others${by}`,
    );
  }

  /** Returns the gradual release of a handler with figures of both versions; null without one. */
  async of(handlerId: HandlerId): Promise<RolloutView | null> {
    const row = await this.#options.rollouts.of(handlerId);
    return row === null ? null : this.#view(row);
  }

  /** Gives the new version all calls. Throws `not_found` without a gradual release. */
  async finish(handlerId: HandlerId, by: string): Promise<void> {
    const { store, releases, log } = this.#options;
    const { name } = await this.#options.handlers.existing(handlerId);
    const row = await store.byId((await this.#existing(handlerId, name)).deployment_id);
    if (row === null) throw none(name);
    const { replaced } = await releases.makeLive(row, 'rollout');
    const instead = replaced === null ? '' : `, replacing v${replaced.number}`;
    await log.write(handlerId, row.number, 'info', `v${row.number} gets all calls${instead}${by}`);
  }

  /** Gives the previous version all calls. `why` goes into the handler's log. Throws `not_found` as `finish` does. */
  async abort(handlerId: HandlerId, why: string): Promise<void> {
    const { store, rollouts, releases, log } = this.#options;
    const { name } = await this.#options.handlers.existing(handlerId);
    const running = await this.#existing(handlerId, name);
    if (!(await releases.rolloutChanged(handlerId, () => rollouts.abort(handlerId, running.id)))) throw none(name);
    const row = await store.byId(running.deployment_id);
    await log.write(handlerId, row?.number ?? 0, 'warning', `v${row?.number} gets no calls any more: ${why}`);
  }

  /** Aborts each gradual release whose new version fails too often. Called periodically. */
  async look(): Promise<void> {
    const { rollouts, report } = this.#options;
    for (const row of await rollouts.all())
      try {
        const view = await this.#view(row);
        if (view === null) continue;
        const { invocations, failures } = view.figures.to;
        if (invocations < rolloutLimits.callsBeforeAbort || failures * 100 <= view.errorPercent * invocations) continue;
        await this.abort(
          row.handler_id,
          `${failures} of its ${invocations} calls have failed, more than ${view.errorPercent} %`,
        );
      } catch (error) {
        report(`the gradual release of ${row.handler_id} could not be judged`, error);
      }
  }

  async #view(row: RolloutRow): Promise<RolloutView | null> {
    const { store } = this.#options;
    const [from, to] = [await store.live(row.handler_id), await store.byId(row.deployment_id)];
    if (from === null || to === null) return null;
    const startedMs = Number(row.started_ms);
    const baseline = JSON.parse(row.baseline) as { readonly from: Sums; readonly to: Sums }; // written by #share
    const figures = async (number: number, before: Sums): Promise<RolloutFigures> => {
      const sums = await this.#sums(row.handler_id, number, startedMs);
      const invocations = Math.max(0, sums.invocations - before.invocations);
      const durationMs = Math.max(0, sums.durationMs - before.durationMs);
      const failures = Math.max(0, sums.failures - before.failures);
      return { invocations, failures, meanMs: invocations === 0 ? null : durationMs / invocations };
    };
    return {
      from: Number(from.number),
      to: Number(to.number),
      percent: Number(row.percent),
      header: row.header,
      errorPercent: Number(row.error_percent),
      startedMs,
      figures: {
        from: await figures(from.number, baseline.from),
        to: await figures(to.number, baseline.to),
      },
    };
  }

  /**
   * Returns the values of a new gradual release. Counters are kept by the minute, so the baseline holds calls of its
   * first minute that came before it.
   */
  async #share(
    row: DeploymentRow,
    live: DeploymentRow,
    percent: number,
  ): Promise<Pick<RolloutRow, 'percent' | 'header' | 'error_percent' | 'baseline'>> {
    const { header, errorPercent } = releasedParts(row.manifest).release ?? defaultRelease;
    const nowMs = this.#options.now();
    const baseline = {
      from: await this.#sums(row.handler_id, live.number, nowMs),
      to: await this.#sums(row.handler_id, row.number, nowMs),
    };
    return { percent, header, error_percent: errorPercent, baseline: JSON.stringify(baseline) };
  }

  /** Returns the counters of a version from the minute of `sinceMs` (Unix milliseconds) on. */
  async #sums(handlerId: HandlerId, number: number, sinceMs: number): Promise<Sums> {
    const row = await this.#options.db.reader
      .selectFrom('usage')
      .select(({ fn }) => [
        fn.sum<number | null>('invocations').as('invocations'),
        fn.sum<number | null>('failures').as('failures'),
        fn.sum<number | null>('refusals').as('refusals'),
        fn.sum<number | null>('duration_ms').as('durationMs'),
      ])
      .where('handler_id', '=', handlerId)
      .where('deployment', '=', number)
      .where('minute_ms', '>=', Math.floor(sinceMs / minuteMs) * minuteMs)
      .executeTakeFirst();
    if (row === undefined) return nothing;
    return {
      invocations: Number(row.invocations ?? 0) - Number(row.refusals ?? 0),
      failures: Number(row.failures ?? 0) - Number(row.refusals ?? 0),
      durationMs: Number(row.durationMs ?? 0),
    };
  }

  async #existing(handlerId: HandlerId, name: string): Promise<RolloutRow> {
    const row = await this.#options.rollouts.of(handlerId);
    if (row === null) throw none(name);
    return row;
  }
}

function none(name: string): PlatformError {
  return new PlatformError('not_found', `${name} has no gradual release`, {
    hints: [`begin one: wasmcloud release ${name} VERSION --percent 10`],
  });
}
