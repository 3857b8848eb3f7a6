/** Artifacts in the database: which Deployments refer to them, and what their modules are. */
import { type VettedModule, withMeasures } from '../../protocol/module.ts';
import type { HandlerId } from '../../protocol/names.ts';
import type { Database } from '../db/database.ts';
import { isForeignKeyViolation } from '../db/sql-error.ts';
import { readEffectiveManifest } from './effective-manifest.ts';

export class ArtifactRows {
  readonly #db: Database;

  constructor(options: { readonly db: Database }) {
    this.#db = options.db;
  }

  /**
   * Returns the names of Artifacts and file bundles of all Deployments, also failed and retired ones, and of the packs
   * of recorded pushes.
   */
  async used(): Promise<ReadonlySet<string>> {
    const packs = await this.#db
      .selectFrom('repository_records')
      .select('blob')
      .where('blob', 'is not', null)
      .execute();
    const rows = await this.#db.selectFrom('deployments').select(['artifact', 'manifest']).distinct().execute();
    const names = rows.flatMap(({ artifact, manifest }) => {
      const { files } = readEffectiveManifest(manifest);
      return files === null ? [artifact] : [artifact, files.bundle];
    });
    return new Set([...names, ...packs.flatMap(({ blob }) => blob ?? [])]);
  }

  /** Returns whether a Deployment or a recorded push refers to the content `name`, as `used` says. */
  async isUsed(name: string): Promise<boolean> {
    const deployment = await this.#db
      .selectFrom('deployments')
      .select('id')
      // Names of contents have no character that LIKE or JSON treats specially. A bundle's name stands in the manifest.
      .where((eb) => eb.or([eb('artifact', '=', name), eb('manifest', 'like', `%${name}%`)]))
      .executeTakeFirst();
    if (deployment !== undefined) return true;
    const record = await this.#db
      .selectFrom('repository_records')
      .select('number')
      .where('blob', '=', name)
      .executeTakeFirst();
    return record !== undefined;
  }

  /**
   * Removes an Artifact. Returns false, and removes nothing, when a Deployment refers to it (a push on another
   * control).
   */
  async remove(name: string): Promise<boolean> {
    try {
      await this.#db.deleteFrom('artifacts').where('name', '=', name).execute();
      return true;
    } catch (error) {
      if (isForeignKeyViolation(error)) return false;
      throw error;
    }
  }

  /** Returns the bytes of the distinct Artifacts and file bundles that Deployments of a handler refer to. */
  async bytesOf(handlerId: HandlerId): Promise<number> {
    const rows = await this.#db
      .selectFrom('deployments')
      .innerJoin('artifacts', 'artifacts.name', 'deployments.artifact')
      .select(['artifacts.name', 'artifacts.bytes', 'deployments.manifest'])
      .where('deployments.handler_id', '=', handlerId)
      .execute();
    const sizes = new Map<string, number>();
    for (const { name, bytes, manifest } of rows) {
      sizes.set(name, Number(bytes));
      const { files } = readEffectiveManifest(manifest);
      if (files !== null) sizes.set(files.bundle, files.bytes);
    }
    return [...sizes.values()].reduce((total, bytes) => total + bytes, 0);
  }

  /** Returns the module of an Artifact; null: there is no such Artifact. */
  async moduleOf(name: string): Promise<VettedModule | null> {
    const row = await this.#db.selectFrom('artifacts').select('module').where('name', '=', name).executeTakeFirst();
    return row === undefined ? null : readModule(row.module);
  }
}

/** Parses the VettedModule that DeploymentStore.stage has written. Older rows have no measures and get estimates. */
export function readModule(text: string): VettedModule {
  return withMeasures(JSON.parse(text));
}
