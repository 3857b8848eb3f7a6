/** Makes Deployments of components look as a linker of an earlier version has left them. */

import type { Database } from '../../src/control/db/database.ts';
import { readModule } from '../../src/control/deploy/artifact-rows.ts';
import { LINKER_VERSION } from '../../src/guest/component/recognise.ts';
import { artifactName, type VettedModule } from '../../src/protocol/module.ts';
import type { Blobs } from '../../src/protocol/ports.ts';

/** Name of the function that only the linker before has called: the platform has none of this name. */
export const goneFunction = 'function-of-the-version-before';

/**
 * Gives all Deployments with the Artifact `name` an Artifact of linker `version` instead, whose code calls a function
 * that the platform does not have any more. Removes the present one. Returns the name of the old one.
 */
export async function linkedBefore(
  { db, artifacts }: { readonly db: Database; readonly artifacts: Pick<Blobs, 'get' | 'put' | 'remove'> },
  name: string,
  version = LINKER_VERSION - 1,
): Promise<string> {
  const row = await db.selectFrom('artifacts').selectAll().where('name', '=', name).executeTakeFirstOrThrow();
  const now = readModule(row.module);
  const [first, ...others] = now.plan.imports;
  if (now.component === undefined || first === undefined) throw new Error(`${name} is no component with imports`);
  const module: VettedModule = {
    ...now,
    plan: { ...now.plan, imports: [{ ...first, name: goneFunction }, ...others] },
    component: { ...now.component, linkerVersion: version },
  };
  const before = artifactName(module);
  await artifacts.put(before, await artifacts.get(name));
  await db
    .insertInto('artifacts')
    .values({ ...row, name: before, module: JSON.stringify(module) })
    .execute();
  await db.updateTable('deployments').set({ artifact: before }).where('artifact', '=', name).execute();
  await db.deleteFrom('artifacts').where('name', '=', name).execute();
  await artifacts.remove(name);
  return before;
}
