/** Checks the repositories of a data folder against the Deployments of its database. */
import { execFile } from 'node:child_process';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Kysely, Selectable } from 'kysely';
import { MIB } from '../../protocol/limits.ts';
import type { Schema } from '../db/schema.ts';
import { readRefs } from '../git/ref-files.ts';
import { type Complaint, ifMissing } from './findings.ts';

export interface RepositoryChecks {
  /** Absolute path of the data folder. */
  readonly dataFolder: string;
  /** Id of the control that the folder belongs to; undefined: it cannot be read. */
  readonly controlId: string | undefined;
  /** Environment of git. */
  readonly gitEnvironment: Readonly<Record<string, string>>;
  /** Takes a fault. Resolves when it has been repaired, where repairs are made. */
  readonly found: (complaint: Complaint) => Promise<void>;
}

interface CheckedHandler {
  readonly name: string;
  readonly deployments: readonly Pick<
    Selectable<Schema['deployments']>,
    'number' | 'commit' | 'ref' | 'state' | 'branch'
  >[];
}

/**
 * Checks the repositories of all handlers that this data folder keeps. Tells `options.found` of each fault: a
 * repository that is missing, damaged or of no handler, live commits that are not pinned, branches at commits never
 * deployed.
 */
export async function checkRepositories(db: Kysely<Schema>, options: RepositoryChecks): Promise<void> {
  const { dataFolder, controlId } = options;
  const folder = join(dataFolder, 'repos');
  const homes = await db.selectFrom('repository_homes').select(['repository_id', 'home', 'is_recorded']).execute();
  const recorded = new Set(homes.filter((row) => Number(row.is_recorded) === 1).map((row) => row.repository_id));
  const elsewhere = new Set(homes.filter(({ home }) => home !== controlId).map((row) => row.repository_id));
  const handlers = await db.selectFrom('handlers').select(['id', 'name']).execute();
  const entries = await readdir(folder).catch(ifMissing<string[]>([]));
  const there = new Set(entries.filter((entry) => /^[^.].*\.git$/.test(entry)).map((entry) => entry.slice(0, -4)));
  for (const { id, name } of handlers) {
    if (elsewhere.has(id)) continue;
    const deployments = await db
      .selectFrom('deployments')
      .select(['number', 'commit', 'ref', 'state', 'branch'])
      .where('handler_id', '=', id)
      .execute();
    if (there.has(id)) await checkRepository(join(folder, `${id}.git`), { name, deployments }, options);
    else if (deployments.length > 0 && !recorded.has(id))
      await options.found({
        check: 'repositories',
        what: `the repository of ${name} is missing`,
        advice: `restore a backup, or push again from a clone: git push --force wasmcloud`,
      });
  }
  const ids = new Set(handlers.map(({ id }) => id));
  for (const id of there) {
    if (ids.has(id)) continue;
    const path = join(folder, `${id}.git`);
    await options.found({
      check: 'repositories',
      what: `${path} belongs to no handler`,
      advice: 'nothing: the platform removes it at its next start',
      mend: () => rm(path, { recursive: true, force: true }),
    });
  }
}

async function checkRepository(
  path: string,
  { name, deployments }: CheckedHandler,
  options: RepositoryChecks,
): Promise<void> {
  const broken = await git(path, options.gitEnvironment, [
    'fsck',
    '--connectivity-only',
    '--no-dangling',
    '--no-progress',
  ]);
  if (broken !== null)
    await options.found({
      check: 'repositories',
      what: `the repository of ${name} is damaged: ${broken}`,
      advice: 'restore a backup, or push it again from a clone',
    });
  const refs = await readRefs(path);
  for (const live of deployments.filter(({ state }) => state === 'live')) {
    if (refs.get(`refs/deployments/${live.number}`) === live.commit) continue;
    const has = (await git(path, options.gitEnvironment, ['cat-file', '-e', `${live.commit}^{commit}`])) === null;
    const pin = `refs/deployments/${live.number}`;
    await options.found({
      check: 'repositories',
      what: `the commit of ${name} v${live.number}, which is live, is ${has ? 'not pinned' : 'missing in its repository'}`,
      advice: has ? `git -C ${path} update-ref ${pin} ${live.commit}` : 'push it again from a clone',
      ...(has ? { mend: () => git(path, options.gitEnvironment, ['update-ref', pin, live.commit]) } : {}),
    });
  }
  // Expects the deploy branch at the commit of its newest Deployment that did not fail. A branch with a preview may
  // be elsewhere: git accepts it even when its preview cannot run.
  for (const ref of new Set(deployments.filter(({ branch }) => branch === '').map((one) => one.ref))) {
    const newest = deployments
      .filter((one) => one.ref === ref && one.state !== 'failed')
      .sort((a, b) => b.number - a.number)[0];
    const at = refs.get(ref);
    if (newest === undefined || at === undefined || newest.state === 'staged' || at === newest.commit) continue;
    if (deployments.some((one) => one.ref === ref && one.commit === at && one.state !== 'failed')) continue;
    await options.found({
      check: 'repositories',
      what: `${ref} of ${name} is at ${at.slice(0, 7)}, which was never deployed; v${newest.number} is ${newest.commit.slice(0, 7)}`,
      advice: `git push --force wasmcloud ${newest.commit.slice(0, 7)}:${ref}, then push the branch again`,
    });
  }
}

/** Runs git. Returns null on success, else the first line of its message. */
function git(
  path: string,
  environment: RepositoryChecks['gitEnvironment'],
  args: readonly string[],
): Promise<string | null> {
  return new Promise((resolve) => {
    // `safe.directory`: the doctor may run as root on a folder of another user.
    execFile(
      'git',
      ['-c', 'safe.directory=*', '-C', path, ...args],
      { env: { ...environment }, maxBuffer: 16 * MIB },
      (error, stdout, stderr) =>
        resolve(error === null ? null : (`${stderr}${stdout}`.trim().split('\n')[0] ?? 'git failed')),
    );
  });
}
