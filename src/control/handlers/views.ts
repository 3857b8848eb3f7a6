/**
 * Reads handlers and Deployments in the form in which the API shows them, with one or two queries for all of a list.
 */
import { z } from 'zod';
import { interfacesOf } from '../../protocol/capabilities.ts';
import { PlatformError } from '../../protocol/errors.ts';
import { defaultLimits, limitNames } from '../../protocol/limits.ts';
import type { VettedModule } from '../../protocol/module.ts';
import type { HandlerId } from '../../protocol/names.ts';
import { type HandlerRole, policyLists } from '../../protocol/nouns.ts';
import { previewLabel } from '../../protocol/previews.ts';
import { recordOf } from '../../protocol/record-of.ts';
import type { DeploymentView, FormerName, HandlerView, PreviewView } from '../../protocol/views.ts';
import type { Database } from '../db/database.ts';
import { handlerLimits } from './handlers.ts';
import { readSettings } from './settings.ts';

export const viewLimits = {
  /** Deployments in one answer; targets of a rollback are rarely older. */
  deployments: 100,
} as const;

/** Part of a stored manifest (src/control/deploy) that the API shows. */
const manifest = z.object({
  limits: z.object(recordOf(limitNames, () => z.number())).default(defaultLimits),
  policy: z
    .object(recordOf(policyLists, () => z.array(z.string())))
    .nullable()
    .default(null),
});

export interface ViewsOptions {
  readonly db: Database;
  /** Base URL under which a handler's function answers; known once the runners listen. */
  readonly functionUrl: (name: string) => string;
  /** Returns the URL below a path of the platform's host. */
  readonly functionPathUrl: (name: string) => string;
  /** URL of a handler's repository. */
  readonly gitUrl: (name: string) => string;
}

export class HandlerViews {
  readonly #db: Database;
  readonly #functionUrl: (name: string) => string;
  readonly #functionPathUrl: (name: string) => string;
  readonly #gitUrl: (name: string) => string;

  constructor(options: ViewsOptions) {
    this.#db = options.db;
    this.#functionUrl = options.functionUrl;
    this.#functionPathUrl = options.functionPathUrl;
    this.#gitUrl = options.gitUrl;
  }

  /**
   * Returns at most `limit` handlers that a user owns or works on, by name: either those in force or the user's own
   * deleted ones. `boundTo`: only the handler with this id; `after`: names after this one; `search`: names that contain
   * it, in any case.
   */
  async list(
    userId: string,
    options: {
      readonly deleted: boolean;
      readonly boundTo: string | null;
      readonly after: string;
      readonly search: string;
      readonly limit: number;
    },
  ): Promise<readonly HandlerView[]> {
    const search = options.search.toLowerCase();
    // Names consist of a-z, 0-9 and hyphens, so other searches, wildcards included, find nothing.
    if (!/^[a-z0-9-]*$/.test(search)) return [];
    let query = this.#query()
      .leftJoin('collaborators', (join) =>
        join.onRef('collaborators.handler_id', '=', 'handlers.id').on('collaborators.user_id', '=', userId),
      )
      .select(['handlers.owner_id', 'collaborators.role'])
      .where('handlers.deleted_ms', options.deleted ? 'is not' : 'is', null)
      .where((eb) =>
        options.deleted
          ? eb('handlers.owner_id', '=', userId)
          : eb.or([eb('handlers.owner_id', '=', userId), eb('collaborators.role', 'is not', null)]),
      );
    if (options.boundTo !== null) query = query.where('handlers.id', '=', options.boundTo);
    if (search !== '') query = query.where('handlers.name', 'like', `%${search}%`);
    const rows = await query
      .where('handlers.name', '>', options.after)
      .orderBy('handlers.name')
      .limit(options.limit)
      .execute();
    const former = await this.#formerNames(rows.map(({ id }) => id));
    return rows.map((row) => this.#view(row, row.owner_id === userId ? 'owner' : (row.role ?? 'viewer'), former));
  }

  /** Returns a handler as a user with `role` sees it. Throws `not_found`. */
  async of(handlerId: HandlerId, role: HandlerRole): Promise<HandlerView> {
    const row = await this.#query().where('handlers.id', '=', handlerId).executeTakeFirst();
    if (row === undefined) throw new PlatformError('not_found', 'no such handler');
    return this.#view(row, role, await this.#formerNames([row.id]));
  }

  /** Returns at most `limit` Deployments of a handler, newest first, with numbers below `before`. */
  async deployments(
    handlerId: HandlerId,
    options: {
      readonly limit: number;
      readonly before?: number | undefined;
      /** Branch whose preview's Deployments are returned; '': the handler's own; absent: all. */
      readonly branch?: string | undefined;
    },
  ): Promise<readonly DeploymentView[]> {
    let query = this.#db
      .selectFrom('deployments')
      .innerJoin('artifacts', 'artifacts.name', 'deployments.artifact')
      .innerJoin('users', 'users.id', 'deployments.user_id')
      .select(['deployments.number', 'deployments.state', 'deployments.commit', 'deployments.ref'])
      .select(['deployments.branch', 'deployments.author', 'deployments.subject', 'deployments.newly'])
      .select(['deployments.created_ms', 'deployments.module_path', 'deployments.manifest'])
      .select(['deployments.vet_ms', 'deployments.failure'])
      .select(['artifacts.original_bytes', 'artifacts.sha256', 'artifacts.module', 'users.name as pushed_by'])
      .where('deployments.handler_id', '=', handlerId);
    if (options.before !== undefined) query = query.where('deployments.number', '<', options.before);
    if (options.branch !== undefined) query = query.where('deployments.branch', '=', options.branch);
    const rows = await query.orderBy('deployments.number', 'desc').limit(options.limit).execute();
    return rows.map((row) => {
      const { limits, policy } = manifest.parse(JSON.parse(row.manifest));
      const module: VettedModule = JSON.parse(row.module);
      return {
        number: row.number,
        state: row.state,
        commit: row.commit,
        author: row.author,
        subject: row.subject,
        ref: row.ref,
        preview: row.branch === '' ? null : row.branch,
        pushedBy: row.pushed_by,
        createdMs: row.created_ms,
        modulePath: row.module_path,
        moduleBytes: row.original_bytes,
        moduleSha256: row.sha256,
        abis: module.plan.abis,
        interfaces: interfacesOf(module.plan.imports),
        limits,
        policy,
        newlyAllowed: row.newly === null ? [] : JSON.parse(row.newly),
        vetMs: row.vet_ms,
        failure: row.failure,
      };
    });
  }

  /** Returns the previews of a handler that serve something, by branch: previewLimits.previews at most. */
  async previews({ id, name }: { readonly id: string; readonly name: string }): Promise<readonly PreviewView[]> {
    const rows = await this.#db
      .selectFrom('previews')
      .innerJoin('releases', (join) =>
        join.onRef('releases.handler_id', '=', 'previews.handler_id').onRef('releases.branch', '=', 'previews.branch'),
      )
      .innerJoin('deployments', 'deployments.id', 'releases.deployment_id')
      .select(['previews.branch', 'previews.slug', 'previews.days', 'previews.pushed_ms'])
      .select(['deployments.number', 'deployments.commit'])
      .select((eb) =>
        eb
          .selectFrom('usage')
          .innerJoin('deployments as called', (join) =>
            join.onRef('called.handler_id', '=', 'usage.handler_id').onRef('called.number', '=', 'usage.deployment'),
          )
          .select((inner) => inner.fn.max('usage.minute_ms').as('last'))
          .whereRef('usage.handler_id', '=', 'previews.handler_id')
          .whereRef('called.branch', '=', 'previews.branch')
          .as('called_ms'),
      )
      .where('previews.handler_id', '=', id)
      .orderBy('previews.branch')
      .execute();
    return rows.map((row) => {
      const label = previewLabel(row.slug, name);
      const pushedMs = Number(row.pushed_ms);
      const calledMs = row.called_ms === null ? null : Number(row.called_ms);
      return {
        branch: row.branch,
        slug: row.slug,
        url: this.#functionUrl(label),
        pathUrl: this.#functionPathUrl(label),
        version: Number(row.number),
        commit: row.commit,
        pushedMs,
        calledMs,
        endsMs: Math.max(pushedMs, calledMs ?? 0) + row.days * 24 * 60 * 60_000,
      };
    });
  }

  #query() {
    return this.#db
      .selectFrom('handlers')
      .innerJoin('users', 'users.id', 'handlers.owner_id')
      .leftJoin('releases', (join) =>
        join.onRef('releases.handler_id', '=', 'handlers.id').on('releases.branch', '=', ''),
      )
      .leftJoin('deployments', 'deployments.id', 'releases.deployment_id')
      .select([
        'handlers.id',
        'handlers.name',
        'users.name as owner',
        'handlers.deploy_branch',
        'handlers.settings',
        'handlers.created_ms',
      ])
      .select(['handlers.deleted_ms', 'deployments.number', 'releases.changed_ms'])
      .select((eb) =>
        eb
          .selectFrom('deployments as failures')
          .select((inner) => inner.fn.max('failures.number').as('failed_number'))
          .whereRef('failures.handler_id', '=', 'handlers.id')
          .where('failures.state', '=', 'failed')
          .where('failures.branch', '=', '')
          .as('failed_number'),
      );
  }

  /** Returns the former names of handlers by the handlers' ids, newest first. */
  async #formerNames(ids: readonly string[]): Promise<ReadonlyMap<string, readonly FormerName[]>> {
    if (ids.length === 0) return new Map();
    const rows = await this.#db
      .selectFrom('former_names')
      .selectAll()
      .where('handler_id', 'in', ids)
      .orderBy('renamed_ms', 'desc')
      .orderBy('name')
      .execute();
    const names = rows.map(({ name, handler_id, renamed_ms }) => ({
      handlerId: handler_id,
      former: { name, keptUntilMs: Number(renamed_ms) + handlerLimits.formerNameMs },
    }));
    const grouped = Map.groupBy(names, ({ handlerId }) => handlerId);
    return new Map([...grouped].map(([id, group]) => [id, group.map(({ former }) => former)]));
  }

  #view(
    row: {
      id: string;
      name: string;
      owner: string;
      deploy_branch: string | null;
      settings: string | null;
      created_ms: number;
      deleted_ms: number | null;
      number: number | null;
      changed_ms: number | null;
      failed_number: number | null;
    },
    role: HandlerRole,
    former: ReadonlyMap<string, readonly FormerName[]>,
  ): HandlerView {
    return {
      name: row.name,
      owner: row.owner,
      role,
      url: this.#functionUrl(row.name),
      pathUrl: this.#functionPathUrl(row.name),
      gitUrl: this.#gitUrl(row.name),
      deployBranch: row.deploy_branch,
      settings: readSettings(row.settings),
      state: stateOf(row),
      version: row.number,
      createdMs: row.created_ms,
      deployedMs: row.changed_ms,
      formerNames: former.get(row.id) ?? [],
    };
  }
}

/** Returns a handler's state; `failed` means that nothing is live and a push has failed. */
function stateOf(row: {
  deleted_ms: number | null;
  number: number | null;
  failed_number: number | null;
}): HandlerView['state'] {
  if (row.deleted_ms !== null) return 'deleted';
  if (row.number !== null) return 'live';
  return row.failed_number === null ? 'empty' : 'failed';
}
