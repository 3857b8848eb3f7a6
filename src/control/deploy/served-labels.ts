/** Reads from the database what every label is served with, and where former names and custom domains lead. */
import type { ServedDomain } from '../../protocol/domains.ts';
import type { MovedLabel, OwnerState, PreviewName } from '../../protocol/messages.ts';
import type { VettedModule } from '../../protocol/module.ts';
import type { HandlerId } from '../../protocol/names.ts';
import type { HandlerSettings } from '../../protocol/nouns.ts';
import type { Database } from '../db/database.ts';
import { readSettings } from '../handlers/settings.ts';
import { readModule } from './artifact-rows.ts';
import { type DeploymentRow, deployBranch } from './deployment-row.ts';

export interface LiveRow extends DeploymentRow {
  /** Name of the handler. */
  readonly handler: string;
  readonly module: VettedModule;
  readonly ownerId: string;
  /** Settings of the owner that need no push. */
  readonly settings: HandlerSettings;
  /** Whether the handler, or the branch, has variables. */
  readonly hasVariables: boolean;
  /** Preview that the Deployment belongs to; null: it belongs to the handler itself. */
  readonly preview: PreviewName | null;
}

export class ServedLabels {
  readonly #db: Database;

  constructor(options: { readonly db: Database }) {
    this.#db = options.db;
  }

  /** Returns every live Deployment, of previews too, of handlers that are not deleted. */
  async live(): Promise<readonly LiveRow[]> {
    const rows = await this.#db
      .selectFrom('releases')
      .innerJoin('deployments', 'deployments.id', 'releases.deployment_id')
      .innerJoin('handlers', 'handlers.id', 'releases.handler_id')
      .innerJoin('artifacts', 'artifacts.name', 'deployments.artifact')
      .leftJoin('previews', (join) =>
        join.onRef('previews.handler_id', '=', 'releases.handler_id').onRef('previews.branch', '=', 'releases.branch'),
      )
      .selectAll('deployments')
      .select([
        'handlers.name as handler',
        'handlers.owner_id as ownerId',
        'artifacts.module as module',
        'handlers.settings',
        'previews.id as previewId',
        'previews.slug',
      ])
      .where('handlers.deleted_ms', 'is', null)
      .execute();
    const variables = await this.#db.selectFrom('handler_env').select(['handler_id', 'branch']).distinct().execute();
    const withVariables = new Set(variables.map(({ handler_id, branch }) => `${handler_id} ${branch}`));
    const has = (handlerId: HandlerId, branch: string) => withVariables.has(`${handlerId} ${branch}`);
    return rows.map(({ previewId, slug, ...row }) => ({
      ...row,
      preview: previewId === null || slug === null ? null : { id: previewId, slug },
      module: readModule(row.module),
      settings: readSettings(row.settings),
      hasVariables: has(row.handler_id, deployBranch) || has(row.handler_id, row.branch),
    }));
  }

  /** Returns the names of handlers with nothing deployed. */
  async withoutRelease(): Promise<readonly string[]> {
    const rows = await this.#db
      .selectFrom('handlers')
      .leftJoin('releases', (join) =>
        join.onRef('releases.handler_id', '=', 'handlers.id').on('releases.branch', '=', deployBranch),
      )
      .select('handlers.name')
      .where('handlers.deleted_ms', 'is', null)
      .where('releases.handler_id', 'is', null)
      .execute();
    return rows.map(({ name }) => name);
  }

  /** Returns the former names of handlers that are not deleted, each with the handler's present name. */
  async formerNames(): Promise<readonly MovedLabel[]> {
    return this.#formerNames().where('handlers.deleted_ms', 'is', null).execute();
  }

  /** Returns the former names of a handler, oldest first, each with its present name. */
  async formerNamesOf(handlerId: HandlerId): Promise<readonly MovedLabel[]> {
    return this.#formerNames().where('handlers.id', '=', handlerId).orderBy('former_names.renamed_ms').execute();
  }

  /** Returns the custom domains of handlers that are not deleted, each with the handler's present name. */
  async domains(): Promise<readonly ServedDomain[]> {
    return this.#domains().execute();
  }

  /** Returns the custom domains of a handler that are served, or would be if it were not deleted. */
  async domainsOf(handlerId: HandlerId): Promise<readonly string[]> {
    const rows = await this.#db
      .selectFrom('domains')
      .select('domain')
      .where('handler_id', '=', handlerId)
      .where('served', 'is not', null)
      .execute();
    return rows.map(({ domain }) => domain);
  }

  /** Returns the name of the handler that is served under a custom domain; null: none is. */
  async handlerOfDomain(domain: string): Promise<string | null> {
    const row = await this.#domains().where('domains.served', '=', domain).executeTakeFirst();
    return row?.to ?? null;
  }

  /** Returns the Users who are suspended or have a limit of calls. */
  async owners(): Promise<readonly OwnerState[]> {
    const rows = await this.#db
      .selectFrom('users')
      .select(['id', 'suspended_ms', 'calls_max'])
      .where((eb) => eb.or([eb('suspended_ms', 'is not', null), eb('calls_max', 'is not', null)]))
      .execute();
    return rows.map((row) => ({ ownerId: row.id, isSuspended: row.suspended_ms !== null, callsMax: row.calls_max }));
  }

  #domains() {
    return this.#db
      .selectFrom('domains')
      .innerJoin('handlers', 'handlers.id', 'domains.handler_id')
      .select(['domains.domain', 'handlers.name as to'])
      .where('domains.served', 'is not', null)
      .where('handlers.deleted_ms', 'is', null);
  }

  #formerNames() {
    return this.#db
      .selectFrom('former_names')
      .innerJoin('handlers', 'handlers.id', 'former_names.handler_id')
      .select(['former_names.name as label', 'handlers.name as to']);
  }
}
