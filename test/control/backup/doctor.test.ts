/** Faults are planted in a data folder one by one: doctor names each, and mends those that lose nothing. */
import { execFileSync } from 'node:child_process';
import { chmod, chown, cp, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Sealer } from '../../../src/control/accounts/sealer.ts';
import { factorPlace } from '../../../src/control/accounts/second-factor.ts';
import { AuditLog } from '../../../src/control/audit/audit-log.ts';
import { examine } from '../../../src/control/backup/doctor.ts';
import { openDatabase } from '../../../src/control/db/database.ts';
import { drainPlace } from '../../../src/control/drains/drain-store.ts';
import { gitEnvironment } from '../../../src/control/git/git-environment.ts';
import { removeTemporaryFolders, temporaryFolder } from '../../support/e2e.ts';
import { trisiel } from '../../support/trisiel.ts';

const fixture = fileURLToPath(new URL('../../../fixtures/data/first-version.tar.gz', import.meta.url));
const identity = { controlId: 'c', platformId: 'p' };
/** A data folder in order; each test works on a copy. */
let healthy: string;
let handlerId: string;
let userId: string;

beforeAll(async () => {
  healthy = join(await temporaryFolder(), 'data');
  await mkdir(healthy, { mode: 0o700 });
  execFileSync('tar', ['-xzf', fixture, '-C', healthy]);
  const db = await openDatabase({ file: join(healthy, 'trisiel.db') });
  await db.updateTable('settings').set({ value: 'p' }).where('key', '=', 'platform_id').execute();
  await db
    .insertInto('settings')
    .values({ key: 'platform_id', value: 'p' })
    .onConflict((oc) => oc.doNothing())
    .execute();
  handlerId = (await db.selectFrom('handlers').select('id').executeTakeFirstOrThrow()).id;
  userId = (await db.selectFrom('users').select('id').executeTakeFirstOrThrow()).id;
  const audit = new AuditLog({ db, now: () => 1_000 });
  const what = {
    user: { id: 'u', name: 'ada' },
    tokenId: null,
    address: '::1',
    operation: 'x',
    handler: null,
    detail: {},
  };
  for (let n = 0; n < 3; n += 1) await audit.write({ ...what, outcome: 'ok' });
  await db.close();
  await writeFile(join(healthy, 'control.json'), JSON.stringify({ ...identity, database: 'sqlite' }), { mode: 0o600 });
  for (const name of ['artifacts', 'repos']) await chmod(join(healthy, name), 0o700);
});
afterAll(removeTemporaryFolders);

interface Place {
  readonly folder: string;
  /** Runs statements on its database. */
  sql(statement: string): void;
  /** Returns what doctor says: `check: what`. */
  said(repair?: boolean): Promise<readonly string[]>;
}

async function copy(): Promise<Place> {
  const folder = join(await temporaryFolder(), 'data');
  await cp(healthy, folder, { recursive: true });
  const environment = gitEnvironment({ base: process.env, execPath: process.execPath, dataFolder: folder });
  return {
    folder,
    sql(statement) {
      const db = new DatabaseSync(join(folder, 'trisiel.db'), { enableForeignKeyConstraints: false });
      db.exec(statement);
      db.close();
    },
    async said(repair = false) {
      const known = await readFile(join(folder, 'control.json'), 'utf8').then(JSON.parse, () => null);
      const location = { file: join(folder, 'trisiel.db') };
      const found = await examine({
        dataFolder: folder,
        location,
        identity: known,
        repair,
        gitEnvironment: environment,
      });
      return found.map(({ check, what, isRepairable, isRepaired }) => {
        expect(isRepaired).toBe(repair && isRepairable);
        return `${check}: ${what.replaceAll(folder, 'DATA')}${isRepairable ? ' (repairable)' : ''}`;
      });
    },
  };
}

const repository = (): string => `repos/${handlerId}.git`;

describe('trisiel doctor', () => {
  it('finds nothing in a folder that is in order', async () => {
    expect(await (await copy()).said()).toEqual([]);
  });

  it.each<[title: string, plant: (place: Place) => unknown, said: RegExp, mends: boolean]>([
    [
      'a key that others can read',
      ({ folder }) => chmod(join(folder, 'env.key'), 0o644),
      /^modes: .* DATA\/env\.key/,
      true,
    ],
    ['a folder that others can read', ({ folder }) => chmod(folder, 0o755), /^modes: .* DATA/, true],
    ['a missing key', ({ folder }) => rm(join(folder, 'env.key')), /^key: DATA\/env\.key is missing$/, false],
    [
      'another key',
      ({ folder }) => writeFile(join(folder, 'env.key'), 'ab'.repeat(32)),
      /^key: DATA\/env\.key opens 0 of 1 /,
      false,
    ],
    [
      'a damaged key',
      ({ folder }) => writeFile(join(folder, 'env.key'), 'x'),
      /^key: the key file DATA\/env\.key is damaged$/,
      false,
    ],
    [
      'a missing identity',
      ({ folder }) => rm(join(folder, 'control.json')),
      /^identity: DATA\/control\.json is missing/,
      false,
    ],
    [
      'the folder of another database',
      (place) => place.sql("update settings set value = 'q' where key = 'platform_id'"),
      /^identity: folder and database/,
      false,
    ],
    [
      'a row that refers to nothing',
      (place) => place.sql("insert into handler_env values ('gone', '', 'K', 'x', 1)"),
      /^database: a row of handler_env refers to one of handlers/,
      false,
    ],
    [
      'a damaged database file',
      ({ folder }) => damage(join(folder, 'trisiel.db')),
      /^database: DATA\/trisiel\.db is damaged/,
      false,
    ],
    [
      'a database of a later version',
      (place) => place.sql("insert into kysely_migration values ('9999-later', 'x')"),
      /^schema: a newer Trisiel .*9999-later/,
      false,
    ],
    [
      'a damaged artifact',
      ({ folder }) => onArtifact(folder, (file) => writeFile(file, 'x')),
      /^artifacts: artifact \S+ is missing or damaged; old-otter v1 \(live\) cannot start$/,
      false,
    ],
    [
      'a missing artifact',
      ({ folder }) => onArtifact(folder, (file) => rm(file)),
      /^artifacts: artifact \S+ is missing or damaged; old-otter v1 \(live\)/,
      false,
    ],
    ['an artifact of nothing', stray, /^artifacts: artifact f{64}-m1 belongs to nothing/, true],
    [
      'a missing repository',
      ({ folder }) => rm(join(folder, repository()), { recursive: true }),
      /^repositories: the repository of old-otter is missing$/,
      false,
    ],
    [
      'a repository of nothing',
      ({ folder }) => cp(join(folder, repository()), join(folder, 'repos/gone.git'), { recursive: true }),
      /^repositories: DATA\/repos\/gone\.git belongs to no handler/,
      true,
    ],
    [
      'a live commit without its pin',
      ({ folder }) => rm(join(folder, repository(), 'refs/deployments/1')),
      /^repositories: the commit of old-otter v1, which is live, is not pinned/,
      true,
    ],
    [
      'a repository without its objects',
      ({ folder }) => rm(join(folder, repository(), 'objects/pack'), { recursive: true }),
      /^repositories: the repository of old-otter is damaged/,
      false,
    ],
    [
      'a branch that is ahead',
      ahead,
      /^repositories: refs\/heads\/main of old-otter is at \w{7}, which was never deployed; v2 is \w{7}$/,
      false,
    ],
    [
      'an entry of the audit that was changed',
      (place) => place.sql("update audit_entries set user_name = 'eve' where number = 2"),
      /^audit: .* entry 2: the entry is not the one/,
      false,
    ],
    [
      'an entry of the audit that was removed',
      (place) => place.sql('delete from audit_entries where number = 3'),
      /^audit: .* entry 3: an entry is missing/,
      false,
    ],
    [
      'a backup that was interrupted',
      ({ folder }) => mkdir(join(folder, '.backup-1-00ff', 'x'), { recursive: true }),
      /^leftovers: DATA\/\.backup-1-00ff/,
      true,
    ],
    [
      'a draft of a repository',
      ({ folder }) => mkdir(join(folder, 'repos', '.new-00ff')),
      /^leftovers: DATA\/repos\/\.new-00ff/,
      true,
    ],
  ])('finds %s', async (_title, plant, said, mends) => {
    const place = await copy();
    await plant(place);
    const found = await place.said();
    expect(found).toContainEqual(expect.stringMatching(said));
    // Nothing is changed without --repair.
    expect(await place.said()).toEqual(found);
    await place.said(true);
    const left = await place.said();
    if (mends) expect(left).toEqual([]);
    else expect(left.filter((line) => said.test(line))).not.toEqual([]);
  });

  it('opens drains and second factors with the key too, where there are no variables', async () => {
    const { folder, sql, said } = await copy();
    const keyFile = join(folder, 'env.key');
    const sealer = await Sealer.openExisting(keyFile);
    sql('delete from handler_env');
    sql(`insert into drains (id, handler_id, scope, name, kind, target, sealed, start_cursor, created_ms)
      values ('d', null, '', 'd', 'otlp', 'x', '${sealer?.seal(drainPlace('d'), '{}')}', 0, 1)`);
    sql(`update users set totp_sealed = '${sealer?.seal(factorPlace(userId), 'x')}' where id = '${userId}'`);
    expect(await said()).toEqual([]);
    await writeFile(keyFile, 'ab'.repeat(32));
    expect(await said()).toEqual([
      'key: DATA/env.key opens 0 of 1 sealed drains',
      'key: DATA/env.key opens 0 of 1 sealed second factors',
    ]);
    await rm(keyFile);
    expect(await said()).toEqual(['key: DATA/env.key is missing']);
  });

  const isRoot = process.getuid?.() === 0;
  if (!isRoot) console.log('skipped: a data folder of another user, which only root can make');
  it.skipIf(!isRoot)('changes no file of others to which the owner of the folder has made a link', async () => {
    const { folder } = await copy();
    const outside = `${folder}-outside`;
    await mkdir(outside, { mode: 0o755 });
    await symlink(outside, join(folder, 'upgrades'));
    await chown(folder, 54_321, 54_321);
    await trisiel('doctor', ['--repair'], { TRISIEL_DATA: folder });
    expect((await stat(outside)).mode & 0o777).toBe(0o755);
  });

  it('looks at a data folder through a link to it, as systemd makes one', async () => {
    const { folder } = await copy();
    const link = `${folder}-link`;
    await symlink(folder, link);
    const env = { TRISIEL_DATA: link };
    expect(await trisiel('doctor', [], env)).toMatchObject({ status: 0, stdout: 'all is well\n' });
    await chmod(folder, 0o755);
    expect((await trisiel('doctor', ['--repair'], env)).stdout).toContain(`can reach ${link}\n  repaired`);
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
  });

  it('prints what to type, as text and as JSON, and exits with 1 until all is mended', async () => {
    const { folder } = await copy();
    await chmod(join(folder, 'env.key'), 0o644);
    const env = { TRISIEL_DATA: folder };
    const file = join(folder, 'env.key');
    expect(await trisiel('doctor', [], env)).toMatchObject({
      status: 1,
      stdout: `modes: others on this machine can reach ${file}\n  do: chmod 600 ${file} (or: trisiel doctor --repair)\n1 to do\n`,
    });
    const { stdout } = await trisiel('doctor', ['--json'], env);
    expect(JSON.parse(stdout)).toMatchObject({
      ok: false,
      findings: [{ check: 'modes', isRepairable: true, isRepaired: false }],
    });
    expect((await trisiel('doctor', ['--repair'], env)).status).toBe(0);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await trisiel('doctor', [], env)).toMatchObject({ status: 0, stdout: 'all is well\n' });
    const none = await trisiel('doctor', [], { TRISIEL_DATA: await temporaryFolder() });
    expect(none).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('there is no platform in the data folder'),
    });
  });

  it('opens an existing key and makes none', async () => {
    const folder = await temporaryFolder();
    expect(await Sealer.openExisting(join(folder, 'env.key'))).toBe(null);
    expect(await readdir(folder)).toEqual([]);
  });
});

/** Overwrites the middle of every page but the first, which says that this is a database. */
async function damage(file: string): Promise<void> {
  const bytes = await readFile(file);
  for (let at = 4096; at + 200 < bytes.length; at += 4096) bytes.fill(0x5a, at, at + 200);
  await writeFile(file, bytes);
}

async function onArtifact(folder: string, act: (file: string) => Promise<unknown>): Promise<void> {
  const db = new DatabaseSync(join(folder, 'trisiel.db'));
  const { artifact } = db.prepare("select artifact from deployments where state = 'live'").get() as {
    artifact: string;
  };
  db.close();
  await act(join(folder, 'artifacts', artifact.slice(0, 2), artifact));
}

async function stray({ folder }: Place): Promise<void> {
  await mkdir(join(folder, 'artifacts', 'ff'), { recursive: true, mode: 0o700 });
  await writeFile(join(folder, 'artifacts', 'ff', `${'f'.repeat(64)}-m1`), 'x');
}

/** Moves the deployed branch to a commit that no push has brought. */
async function ahead({ folder }: Place): Promise<void> {
  const git = (...args: string[]): string =>
    execFileSync(
      'git',
      ['-c', 'user.name=T', '-c', 'user.email=t@example.com', '-C', join(folder, repository()), ...args],
      {
        encoding: 'utf8',
      },
    ).trim();
  const commit = git('commit-tree', 'main^{tree}', '-p', 'main', '-m', 'more');
  git('update-ref', 'refs/heads/main', commit);
}
