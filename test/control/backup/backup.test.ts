/** A running platform is backed up, restored elsewhere, and serves there. */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { command } from '../../support/database.ts';
import {
  api,
  call,
  commit,
  createUser,
  git,
  makeRepo,
  push,
  remoteUrl,
  removeTemporaryFolders,
  startPlatform,
  type TestPlatform,
  temporaryFolder,
} from '../../support/e2e.ts';
import { type PostgresServer, postgresMissing, startPostgres } from '../../support/postgres.ts';
import { trisiel } from '../../support/trisiel.ts';

const guest = (name: string): Promise<Buffer> =>
  readFile(new URL(`../../../fixtures/guests/cwa/${name}.wasm`, import.meta.url));

let server: Promise<PostgresServer> | null = null;
let made = 0;

/** Returns the settings of a new empty PostgreSQL database. */
async function newPostgres(): Promise<Readonly<Record<string, string>>> {
  server ??= startPostgres();
  const running = await server;
  made += 1;
  await command(running, `create database b${made}`);
  return { TRISIEL_DATABASE: running.url(`b${made}`) };
}

const newSqlite = async (): Promise<Readonly<Record<string, string>>> => ({});

if (postgresMissing !== null) process.stderr.write(`skipped: backups of PostgreSQL: ${postgresMissing}\n`);
const dialects = [
  { from: 'sqlite', to: 'sqlite', before: newSqlite, after: newSqlite },
  ...(postgresMissing === null
    ? [
        { from: 'postgres', to: 'postgres', before: newPostgres, after: newPostgres },
        { from: 'sqlite', to: 'postgres', before: newSqlite, after: newPostgres },
        { from: 'postgres', to: 'sqlite', before: newPostgres, after: newSqlite },
      ]
    : []),
];

afterAll(async () => {
  await removeTemporaryFolders();
  if (server !== null) await (await server).close();
});

describe.each(dialects)('trisiel backup and restore, $from to $to', ({ before, after }) => {
  it('bring users, functions, variables, repositories and numbers to another place, which serves', async () => {
    const platform = await startPlatform(await before());
    const user = await createUser(platform, 'ada');
    const repo = await makeRepo({
      'a.wasm': await guest('env'),
      'public/x.txt': 'one',
      'wasmcloud.toml': '[files]\nroot = "public"\n',
    });
    expect(await push(platform, user, repo, 'swift')).toMatchObject({ status: 0 });
    expect(
      (await api(platform, user, 'PUT', '/handlers/swift/env/GREETING', { value: 'sealed \u2028 text' })).status,
    ).toBe(200);
    await commit(repo, { 'a.wasm': await guest('hello') });
    expect(await push(platform, user, repo, 'swift')).toMatchObject({ status: 0 });
    expect((await api(platform, user, 'POST', '/handlers/swift/rollback', { number: 1 })).status).toBe(200);
    const answer = await call(platform, 'swift');
    expect(answer.body).toContain('sealed \u2028 text');

    const file = join(await temporaryFolder(), 'a.trisiel');
    const backedUp = await trisiel('backup', [file], platform.env);
    expect(backedUp).toEqual({
      status: 0,
      stderr: '',
      stdout: expect.stringMatching(/^backed up handlers=1 files=\d+ /),
    });
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    await commit(repo, { 'README.md': 'later' });
    expect(await push(platform, user, repo, 'swift')).toMatchObject({ status: 0 });
    await platform.stop();

    const restored = await restore(file, await after());
    expect(await call(restored, 'swift')).toMatchObject({ status: 200, body: answer.body });
    expect((await api(restored, user, 'GET', '/whoami')).body).toMatchObject({ user: { name: 'ada' } });
    const clone = await temporaryFolder();
    expect(await git(clone, 'clone', '-q', remoteUrl(restored, user, 'swift'), 'it')).toMatchObject({ status: 0 });
    expect((await git(join(clone, 'it'), 'rev-list', '--count', 'HEAD')).stdout.trim()).toBe('2');
    // What was pushed after the backup is pushed again, and gets the next number.
    expect((await push(restored, user, repo, 'swift')).stderr).toContain('deployed v3');
    expect((await call(restored, 'swift')).body).toBe('Hello, world!\n');
    await restored.stop();
  });
});

/** Restores into a new folder and starts the platform there. */
async function restore(
  file: string,
  env: Readonly<Record<string, string>>,
  args: readonly string[] = [],
): Promise<TestPlatform> {
  const settings = { ...env, TRISIEL_DATA: join(await temporaryFolder(), 'data') };
  const result = await trisiel('restore', [file, ...args], settings);
  expect(result).toEqual({ status: 0, stderr: '', stdout: expect.stringMatching(/^restored files=\d+ into /) });
  return startPlatform(settings);
}
