/** Opens what control keeps beside the database: Artifacts and repositories, alone or shared with other controls. */
import { join } from 'node:path';
import { ArtifactStore } from '../control/artifacts/artifact-store.ts';
import type { Database } from '../control/db/database.ts';
import { SqlRepoHome } from '../control/git/repo-home.ts';
import { Repositories } from '../control/git/repositories.ts';
import { joinOthers, type ManyControls } from './many-controls.ts';
import { goOnAlone } from './records-to-disk.ts';

export interface Contents {
  /** Parts for work beside other controls; null: this control is alone. */
  readonly many: ManyControls | null;
  readonly artifacts: ArtifactStore | ManyControls['artifacts'];
  readonly repositories: Repositories;
}

/** Throws `unavailable` where a folder cannot be used, or git could not run its hook. */
export async function openContents(options: {
  readonly db: Database;
  readonly dataFolder: string;
  readonly controlId: string;
  /** Folder of the hook that git runs. */
  readonly hooksFolder: string;
  readonly gitEnvironment: Readonly<Record<string, string>>;
  /** Unix milliseconds. */
  readonly now: () => number;
  readonly report: (message: string, error: unknown) => void;
}): Promise<Contents> {
  const { db, dataFolder, controlId, hooksFolder, gitEnvironment, now, report } = options;
  const disk = await ArtifactStore.open(join(dataFolder, 'artifacts'));
  const many = db.isShared
    ? await joinOthers({ db, self: controlId, disk, dataFolder, gitEnvironment, now, report })
    : null;
  if (many === null) await goOnAlone({ db, folder: dataFolder, environment: gitEnvironment, controlId });
  const repositories = await Repositories.open({
    folder: join(dataFolder, 'repos'),
    hooksFolder,
    environment: gitEnvironment,
    ...(many === null
      ? { home: new SqlRepoHome({ db, self: controlId, now }) }
      : { home: many.homes, keeper: many.keeper }),
  });
  return { many, artifacts: many?.artifacts ?? disk, repositories };
}
