/** `trisiel migrate`: a data folder to PostgreSQL and back, killed in the middle, refused where it must be. */
import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { lchown, lstat, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { takeDataFolder } from '../../src/bin/data-folder.ts';
import { dumpDatabase } from '../../src/control/backup/database-dump.ts';
import { moveDatabase } from '../../src/control/backup/move-database.ts';
import { type Database, type DatabaseLocation, openAsItIs, openDatabase } from '../../src/control/db/database.ts';
import { type EffectiveManifest, writeEffectiveManifest } from '../../src/control/deploy/effective-manifest.ts';
import { defaultLimits } from '../../src/protocol/limits.ts';
import { command } from '../support/database.ts';
import { commit, git, makeRepo, removeTemporaryFolders, temporaryFolder } from '../support/e2e.ts';
import { startDoor } from '../support/git-platform.ts';
import { type PostgresServer, postgresMissing, startPostgres } from '../support/postgres.ts';
import { trisiel } from '../support/trisiel.ts';

const hello = new URL('../../fixtures/guests/cwa/hello.wasm', import.meta.url);
const program = fileURLToPath(new URL('../../src/bin/migrate.ts', import.meta.url));
if (postgresMissing !== null) process.stderr.write(`skipped: migrate: ${postgresMissing}\n`);

const manifest: EffectiveManifest = {
  ...{ abi: 'auto', limits: defaultLimits, policy: null, env: {}, files: null, passAuthorization: false },
};

/** What several controls share, which one control does not have. */
const ofManyControls = ['repository_records', 'blobs', 'blob_pieces'];

/** Puts a row into every table of one control that has none, in the order of their references. */
async function fillTables(db: Database): Promise<void> {
  const read = async <Row>(text: string): Promise<readonly Row[]> => (await sql.raw<Row>(text).execute(db)).rows;
  const found = await read<{ name: string }>(
    "select name from sqlite_master where type = 'table' and name not like 'sqlite_%' and name not like 'kysely_%'",
  );
  const done = new Set<string>();
  const fill = async (table: string): Promise<void> => {
    if (done.has(table)) return;
    done.add(table);
    const keys = await read<{ table: string; from: string; to: string }>(`pragma foreign_key_list('${table}')`);
    for (const key of keys) await fill(key.table);
    if ((await read(`select 1 from "${table}" limit 1`)).length > 0) return;
    const columns = await read<{ name: string; type: string }>(`pragma table_info('${table}')`);
    const values = columns.map(({ name, type }) => {
      const key = keys.find(({ from }) => from === name);
      if (key !== undefined) return `(select "${key.to ?? 'id'}" from "${key.table}" limit 1)`;
      // A repository that is recorded would need its packs.
      if (name === 'is_recorded') return '0';
      if (table === 'artifacts' && name === 'name') return `'${'0'.repeat(64)}'`;
      if (name === 'manifest') return `'${writeEffectiveManifest(manifest)}'`;
      if (/blob|bytea/i.test(type)) return "x'00ff0a'";
      return /int/i.test(type) ? '1' : /real|double|float/i.test(type) ? '0.1' : "'{}'";
    });
    const names = columns.map(({ name }) => `"${name}"`).join(', ');
    await sql.raw(`insert into "${table}" (${names}) values (${values.join(', ')})`).execute(db);
  };
  for (const { name } of found) if (!ofManyControls.includes(name)) await fill(name);
}

describe.skipIf(postgresMissing !== null)('trisiel migrate', () => {
  let server: PostgresServer;
  let made = 0;

  beforeAll(async () => {
    server = await startPostgres();
  });

  afterAll(async () => {
    await server.close();
    await removeTemporaryFolders();
  });

  async function emptyDatabase(): Promise<string> {
    made += 1;
    await command(server, `create database m${made}`);
    return server.url(`m${made}`);
  }

  /** Makes a data folder with rows of many kinds, among them bytes, NUL, numbers with a fraction, many rows. */
  async function platform(): Promise<string> {
    const folder = await temporaryFolder();
    const db = await openDatabase({ file: join(folder, 'trisiel.db') });
    await db.insertInto('settings').values({ key: 'platform_id', value: 'the-platform' }).execute();
    const user = { id: 'u1', name: 'ada', password_hash: 'x', created_ms: 1_700_000_000_000 };
    await db.insertInto('users').values(user).execute();
    const handler = { id: 'h1', name: 'otter', owner_id: 'u1', deploy_branch: 'main', created_ms: 1, deleted_ms: null };
    await db
      .insertInto('handlers')
      .values({ ...handler, next_number: 3 })
      .execute();
    for (let n = 0; n < 150; n += 1) {
      const value = { bucket: 'b', key: `k\0${n}ü`, value: randomBytes(100 + n), updated_ms: n };
      await db
        .insertInto('kv')
        .values({ handler_id: 'h1', ...value })
        .execute();
    }
    const counts = { invocations: 1, failures: 0, refusals: 0, gas: 9_007_199_254_740_991, bytes_in: 0, bytes_out: 3 };
    const rows = Array.from({ length: 1_200 }, (_, n) => ({
      ...{ handler_id: 'h1', deployment: 1, minute_ms: n * 60_000, duration_ms: n / 7 },
      ...counts,
    }));
    for (let at = 0; at < rows.length; at += 100)
      await db
        .insertInto('usage')
        .values(rows.slice(at, at + 100))
        .execute();
    await db.close();
    const identity = { controlId: 'c1', platformId: 'the-platform', database: 'sqlite' };
    await writeFile(join(folder, 'control.json'), `${JSON.stringify(identity)}\n`);
    await writeFile(join(folder, 'env.key'), `${'ab'.repeat(32)}\n`, { mode: 0o600 });
    await mkdir(join(folder, 'repos', 'h1.git', 'refs', 'heads'), { recursive: true });
    await writeFile(join(folder, 'repos', 'h1.git', 'HEAD'), 'ref: refs/heads/main\n');
    return folder;
  }

  /** All rows of a database, sorted within each table, so that both kinds compare. */
  async function rowsOf(location: DatabaseLocation): Promise<ReadonlyMap<string, readonly string[]>> {
    const folder = await temporaryFolder();
    const { tables } = await dumpDatabase({ location, folder, onRow: () => {} });
    const entries = tables.map(async (table) => {
      const [columns = '', ...lines] = (await readFile(join(folder, `${table}.ndjson`), 'utf8')).trim().split('\n');
      const names = JSON.parse(columns) as string[];
      const objects = lines.map((line) => {
        const cells = JSON.parse(line) as unknown[];
        return JSON.stringify(names.map((name, at) => [name, cells[at]]).sort());
      });
      return [table, objects.sort()] as const;
    });
    return new Map(await Promise.all(entries));
  }

  const migrate = (folder: string, to: string, env: Record<string, string> = {}) =>
    trisiel('migrate', ['--to', to], { TRISIEL_DATA: folder, ...env });

  it('moves everything there and back: rows, key, repositories', async () => {
    const folder = await platform();
    const before = await rowsOf({ file: join(folder, 'trisiel.db') });
    const url = await emptyDatabase();
    const there = await migrate(folder, url);
    expect(there.stderr).toBe('');
    expect(there.status).toBe(0);
    expect(there.stdout).toContain('verified usage: 1200 rows');
    expect(await rowsOf({ url })).toEqual(before);
    expect(await readdir(folder)).not.toContain('trisiel.db');

    const target = join(await temporaryFolder(), 'back');
    const back = await migrate(folder, `sqlite:${target}`, { TRISIEL_DATABASE: url });
    expect(back.stderr).toBe('');
    expect(back.status).toBe(0);
    expect(await rowsOf({ file: join(target, 'trisiel.db') })).toEqual(before);
    expect(await readFile(join(target, 'env.key'), 'utf8')).toBe(await readFile(join(folder, 'env.key'), 'utf8'));
    expect(await readFile(join(target, 'repos', 'h1.git', 'HEAD'), 'utf8')).toBe('ref: refs/heads/main\n');
    expect(JSON.parse(await readFile(join(target, 'control.json'), 'utf8'))).toMatchObject({ database: 'sqlite' });
  });

  it('moves a platform with a repository: it is recorded in PostgreSQL, and restored from the record on the way back', async () => {
    const folder = await temporaryFolder();
    const before = await startDoor({ dataFolder: folder });
    const user = await before.user('ada');
    const repo = await makeRepo({ 'hello.wasm': await readFile(hello) });
    expect((await before.push(user, repo, 'otter')).status).toBe(0);
    await before.db.insertInto('settings').values({ key: 'platform_id', value: 'the-platform' }).execute();
    await before.close();
    const identity = { controlId: 'c1', platformId: 'the-platform', database: 'sqlite' };
    await writeFile(join(folder, 'control.json'), `${JSON.stringify(identity)}\n`);
    const url = await emptyDatabase();
    const there = await migrate(folder, url);
    expect([there.status, there.stderr]).toEqual([0, '']);

    const many = await startDoor({ dataFolder: folder, database: { url }, controlId: 'c1' });
    await commit(repo, { 'notes.txt': 'a branch, which only PostgreSQL knows' });
    expect((await many.push(user, repo, 'otter', 'main:refs/tags/later')).status).toBe(0);
    const listed = (await git(repo, 'ls-remote', many.remote(user, 'otter'))).stdout.split('\n').sort();
    expect(listed.join('\n')).toContain('refs/tags/later');
    await many.close();

    // Without the repository on this disk: the record has it.
    await rm(join(folder, 'repos'), { recursive: true });
    const target = join(await temporaryFolder(), 'back');
    const back = await migrate(folder, `sqlite:${target}`, { TRISIEL_DATABASE: url });
    expect([back.status, back.stderr]).toEqual([0, '']);
    const after = await startDoor({ dataFolder: target });
    try {
      const now = (await git(repo, 'ls-remote', after.remote(user, 'otter'))).stdout.split('\n').sort();
      expect(now).toEqual(listed);
      const { specs } = await after.deployments.releaseState();
      expect(specs.map(({ label, number }) => [label, number])).toEqual([['otter', 1]]);
      expect(await after.artifacts.has(specs[0]!.artifact)).toBe(true);
    } finally {
      await after.close();
    }
  });

  it('finds rows that differ at the end', async () => {
    const folder = await platform();
    const from = await openDatabase({ file: join(folder, 'trisiel.db') });
    const to = await openAsItIs({ url: await emptyDatabase() });
    const options = { from, to, postgres: 'to', without: [] } as const;
    const stopped = (table: string) => {
      if (table === 'usage') throw new Error('stopped here');
    };
    try {
      await expect(moveDatabase({ ...options, onStep: stopped })).rejects.toThrow('stopped here');
      await to.updateTable('kv').set({ updated_ms: 7_777 }).where('updated_ms', '=', 7).execute();
      await expect(moveDatabase({ ...options, onStep: () => {} })).rejects.toMatchObject({
        code: 'internal',
        message: 'the rows of kv differ after the move',
      });
      await to.updateTable('kv').set({ updated_ms: 7 }).where('updated_ms', '=', 7_777).execute();
      await expect(moveDatabase({ ...options, onStep: () => {} })).resolves.toContainEqual(
        expect.objectContaining({ table: 'kv', rows: 150 }),
      );
    } finally {
      await from.close();
      await to.destroy();
    }
  });

  it('killed in the middle of a table, it goes on where it was, and no control starts on the half', async () => {
    const folder = await platform();
    const before = await rowsOf({ file: join(folder, 'trisiel.db') });
    const url = await emptyDatabase();
    const child = spawn(process.execPath, [program, '--to', url], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, TRISIEL_DATA: folder },
    });
    for await (const line of createInterface({ input: child.stdout }))
      if (line === 'moving usage: 500 rows') child.kill('SIGKILL');
    if (child.signalCode === null && child.exitCode === null) await once(child, 'exit');
    expect(child.signalCode).toBe('SIGKILL');
    await expect(openDatabase({ url })).rejects.toMatchObject({ code: 'unavailable' });
    const again = await migrate(folder, url);
    expect(again.stderr).toBe('');
    expect(again.status).toBe(0);
    expect(again.stdout).not.toMatch(/moving users/);
    expect(await rowsOf({ url })).toEqual(before);
    await (await openDatabase({ url })).close();
  });

  it('killed on the way back, it goes on where it was, and PostgreSQL keeps everything until then', async () => {
    const folder = await platform();
    const before = await rowsOf({ file: join(folder, 'trisiel.db') });
    const url = await emptyDatabase();
    expect((await migrate(folder, url)).status).toBe(0);
    const target = join(await temporaryFolder(), 'back');
    const child = spawn(process.execPath, [program, '--to', `sqlite:${target}`], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, TRISIEL_DATA: folder, TRISIEL_DATABASE: url },
    });
    for await (const line of createInterface({ input: child.stdout }))
      if (line === 'moving usage: 500 rows') child.kill('SIGKILL');
    if (child.signalCode === null && child.exitCode === null) await once(child, 'exit');
    expect(child.signalCode).toBe('SIGKILL');
    expect(await rowsOf({ url })).toEqual(before);
    await expect(openDatabase({ file: join(target, 'trisiel.db') })).rejects.toMatchObject({ code: 'unavailable' });
    const again = await migrate(folder, `sqlite:${target}`, { TRISIEL_DATABASE: url });
    expect([again.status, again.stderr]).toEqual([0, '']);
    expect(again.stdout).not.toMatch(/moving users/);
    expect(await rowsOf({ file: join(target, 'trisiel.db') })).toEqual(before);
  });

  it('moves every table there and back, each with a row', async () => {
    const folder = await platform();
    const db = await openDatabase({ file: join(folder, 'trisiel.db') });
    await fillTables(db);
    await db.close();
    const before = await rowsOf({ file: join(folder, 'trisiel.db') });
    const empty = [...before].filter(([, rows]) => rows.length === 0).map(([table]) => table);
    expect(empty.sort()).toEqual([...ofManyControls].sort());
    const url = await emptyDatabase();
    const there = await migrate(folder, url);
    expect([there.status, there.stderr]).toEqual([0, '']);
    expect(await rowsOf({ url })).toEqual(before);
    const target = join(await temporaryFolder(), 'back');
    const back = await migrate(folder, `sqlite:${target}`, { TRISIEL_DATABASE: url });
    // The Artifact of the row is nowhere, which the move says and survives.
    expect([back.status, back.stderr]).toEqual([0, expect.stringMatching(/^warning: .*\n$/)]);
    // Repositories belong to the control of the folder from then on.
    const home: [string, readonly string[]] = ['repository_homes', [expect.stringContaining('["home","c1"]')]];
    expect(await rowsOf({ file: join(target, 'trisiel.db') })).toEqual(new Map([...before, home]));
  });

  it('refuses a target that is not empty, a folder in use, and a target of another move', async () => {
    const folder = await platform();
    const url = await emptyDatabase();
    await (await openDatabase({ url })).close();
    const full = await migrate(folder, url);
    expect([full.status, full.stderr]).toEqual([2, expect.stringContaining('the target is not empty')]);
    const held = takeDataFolder({ path: folder, readableByGuests: [] });
    const used = await migrate(folder, await emptyDatabase());
    held.release();
    expect([used.status, used.stderr]).toEqual([2, expect.stringContaining('is in use by another control')]);
    const nowhere = await migrate(folder, 'mysql://x');
    expect([nowhere.status, nowhere.stderr]).toEqual([2, expect.stringContaining('neither postgres://')]);
    expect(await readdir(folder)).toContain('trisiel.db');
  });

  it('refuses to move back into a folder that has other files, which stay as they are', async () => {
    const folder = await platform();
    const url = await emptyDatabase();
    expect((await migrate(folder, url)).status).toBe(0);
    const target = await temporaryFolder();
    await writeFile(join(target, 'env.key'), 'of another platform');
    const refused = await migrate(folder, `sqlite:${target}`, { TRISIEL_DATABASE: url });
    expect([refused.status, refused.stderr]).toEqual([2, expect.stringContaining('is not empty')]);
    expect(await readdir(target)).toEqual(['env.key']);
    expect(await readFile(join(target, 'env.key'), 'utf8')).toBe('of another platform');
  });

  const isRoot = process.getuid?.() === 0;
  if (!isRoot) console.log('skipped: a folder of another user, which only root can make');
  it.skipIf(!isRoot)('run by root, leaves the folder to its owner, as the user of a service is', async () => {
    const folder = await platform();
    const owned = ['.', ...(await readdir(folder, { recursive: true }))];
    for (const name of owned) await lchown(join(folder, name), 54_321, 54_321);
    expect((await migrate(folder, await emptyDatabase())).status).toBe(0);
    for (const name of await readdir(folder, { recursive: true }))
      expect((await lstat(join(folder, name))).uid, name).toBe(54_321);
  });

  it('is a command of trisiel', async () => {
    const launcher = fileURLToPath(new URL('../../bin/trisiel.js', import.meta.url));
    const { stdout } = await new Promise<{ stdout: string }>((resolve) =>
      execFile(process.execPath, [launcher, '--help'], (_error, out) => resolve({ stdout: out })),
    );
    expect(stdout).toContain('trisiel migrate --to postgres://');
  });
});
