/** Deployments of components that a linker of an earlier version has linked, in the database. */
import { LINKER_VERSION } from '../../guest/component/recognise.ts';
import { artifactName, linkerVersionOf, type VettedModule } from '../../protocol/module.ts';
import type { Database } from '../db/database.ts';
import type { DeploymentRow } from './deployment-row.ts';

/** Returns whether a Deployment was linked by an earlier linker than this program's, which has not refused it. */
export function isOutdated(row: Pick<DeploymentRow, 'artifact' | 'relink_refused'>): boolean {
  const version = linkerVersionOf(row.artifact);
  // A later version is left alone: a control that is not upgraded yet must not undo what another one has done.
  return version !== null && version < LINKER_VERSION && (row.relink_refused ?? 0) < LINKER_VERSION;
}

export class RelinkStore {
  readonly #db: Database;
  readonly #now: () => number;

  /** `now` in Unix milliseconds. */
  constructor(options: { readonly db: Database; readonly now: () => number }) {
    this.#db = options.db;
    this.#now = options.now;
  }

  /** Returns the live Deployments, with those of previews and gradual releases, that are outdated; oldest first. */
  async outdated(): Promise<readonly DeploymentRow[]> {
    const rows = await this.#db
      .selectFrom('deployments')
      .innerJoin('handlers', 'handlers.id', 'deployments.handler_id')
      .selectAll('deployments')
      .where('deployments.state', '=', 'live')
      .where('handlers.deleted_ms', 'is', null)
      // Artifacts of components, without those of this version, which nearly all are: a look must not read them each
      // time.
      .where('deployments.artifact', 'like', '%-l%')
      .where('deployments.artifact', 'not like', `%-l${LINKER_VERSION}`)
      .where('deployments.artifact', 'not like', `%-l${LINKER_VERSION}-%`)
      .orderBy('deployments.created_ms')
      .execute();
    return rows.filter(isOutdated);
  }

  /** Returns `row` as `exchange` would leave it. */
  exchanged(row: DeploymentRow, module: VettedModule): DeploymentRow {
    return { ...row, artifact: artifactName(module), relinked_ms: this.#now() };
  }

  /**
   * Replaces the Artifact of a Deployment that is live or retired, and still has the one of `row`. Returns whether it
   * was replaced. `bytes`: size of the rewritten module.
   */
  async exchange(row: DeploymentRow, { module, bytes }: { readonly module: VettedModule; readonly bytes: number }) {
    const { artifact, relinked_ms } = this.exchanged(row, module);
    return this.#db.transaction().execute(async (trx) => {
      await trx
        .insertInto('artifacts')
        .values({
          name: artifact,
          sha256: module.sha256,
          meter_version: module.meterVersion,
          original_bytes: module.originalBytes,
          bytes,
          module: JSON.stringify(module),
          created_ms: this.#now(),
        })
        // Locks the row, as DeploymentStore.stage does, so that nobody removes it before the Deployment refers to it.
        .onConflict((oc) => oc.column('name').doUpdateSet({ module: JSON.stringify(module) }))
        .execute();
      const { numUpdatedRows } = await trx
        .updateTable('deployments')
        .set({ artifact, relinked_ms })
        .where('id', '=', row.id)
        .where('artifact', '=', row.artifact)
        .where('state', 'in', ['live', 'retired'])
        .executeTakeFirst();
      return numUpdatedRows > 0n;
    });
  }

  /** Notes that this program's linker refuses the component of a Deployment, so that it is not tried again. */
  async refused(row: DeploymentRow): Promise<void> {
    await this.#db
      .updateTable('deployments')
      .set({ relink_refused: LINKER_VERSION })
      .where('id', '=', row.id)
      .where('artifact', '=', row.artifact)
      .execute();
  }
}
