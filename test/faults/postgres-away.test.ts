/** The whole platform on a PostgreSQL server that is wrong, goes away, hangs and comes back. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { startPlatformChild } from '../../src/bin/platform-child.ts';
import { beforeAttempts } from '../support/attempts.ts';
import { command } from '../support/database.ts';
import {
  api,
  call,
  commit,
  createUser,
  makeRepo,
  push,
  removeTemporaryFolders,
  startPlatform,
  type TestPlatform,
  type TestUser,
} from '../support/e2e.ts';
import { printing } from '../support/e2e-guests.ts';
import { type PostgresServer, postgresMissing, postgresPassword, startPostgres } from '../support/postgres.ts';

if (postgresMissing !== null) process.stderr.write(`skipped: PostgreSQL away: ${postgresMissing}\n`);

describe.skipIf(postgresMissing !== null)('PostgreSQL', () => {
  let server: PostgresServer;
  let platform: TestPlatform;
  let ada: TestUser;
  let repo: string;

  const end = async () => {
    await platform?.stop();
    await server?.close();
    await removeTemporaryFolders();
  };
  beforeAttempts(async () => {
    server = await startPostgres();
    await command(server, 'create database trisiel');
    platform = await startPlatform({ TRISIEL_DATABASE: server.url('trisiel') });
    ada = await createUser(platform, 'ada');
    repo = await makeRepo({ 'a.wasm': printing('one\n') });
    expect((await push(platform, ada, repo, 'away')).status).toBe(0);
  }, end);
  afterAll(end);

  const ready = async (): Promise<number> => (await fetch(`${platform.controlUrl}/readyz`)).status;

  async function refusesWhileAway(): Promise<void> {
    const answer = await fetch(`${platform.controlUrl}/readyz`);
    expect([answer.status, await answer.text()]).toEqual([
      503,
      expect.stringContaining('the database does not answer'),
    ]);
    await commit(repo, { 'a.wasm': printing('two\n') });
    const pushed = await push(platform, ada, repo, 'away');
    expect(pushed.status).not.toBe(0);
    expect(pushed.stderr).toContain('nothing can be stored now: the database does not answer');
    expect((await api(platform, ada, 'GET', '/handlers')).status).toBe(503);
    expect(await call(platform, 'away')).toMatchObject({ status: 200, body: 'one\n' });
    expect(platform.log()).not.toContain(postgresPassword);
  }

  it('that is killed: pushes are refused with the reason, functions answer; when it is back, all goes on', async () => {
    await server.kill();
    await refusesWhileAway();
    await server.start();
    await expect.poll(ready).toBe(200);
    expect((await push(platform, ada, repo, 'away')).status).toBe(0);
    expect((await call(platform, 'away')).body).toBe('two\n');
    await commit(repo, { 'a.wasm': printing('one\n') });
    expect((await push(platform, ada, repo, 'away')).status).toBe(0);
  });

  it('that hangs: the same', async () => {
    server.pause();
    try {
      await refusesWhileAway();
    } finally {
      server.resume();
    }
    expect((await push(platform, ada, repo, 'away')).status).toBe(0);
  });

  async function refusedStart(env: Readonly<Record<string, string>>): Promise<string> {
    const ports = { TRISIEL_PORT: '0', TRISIEL_RUN_PORT: '0', TRISIEL_RUNNERS: '1' };
    const error = await startPlatformChild({ ...ports, ...env }).catch((e: unknown) => e);
    expect(String(error)).toContain('ended before it was ready (1)');
    expect(String(error)).not.toContain(postgresPassword);
    return String(error);
  }

  it('that is down at the start ends the start with one clear line', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'trisiel-down-'));
    const url = server.url('trisiel').replace(`:${server.port}/`, ':1/');
    const said = await refusedStart({ TRISIEL_DATA: folder, TRISIEL_DATABASE: url });
    expect(said).toMatch(/trisiel: PostgreSQL at 127\.0\.0\.1:1 cannot be used: .*ECONNREFUSED/);
    await rm(folder, { recursive: true });
  });

  it('is refused beside a SQLite file, and a folder is refused another database than its own', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'trisiel-mixed-'));
    await writeFile(join(folder, 'trisiel.db'), '');
    const mixed = await refusedStart({ TRISIEL_DATA: folder, TRISIEL_DATABASE: server.url('trisiel') });
    expect(mixed).toContain('holds the SQLite file trisiel.db, and TRISIEL_DATABASE names PostgreSQL');
    await rm(folder, { recursive: true });

    await command(server, 'create database other');
    const own = await mkdtemp(join(tmpdir(), 'trisiel-own-'));
    const env = { TRISIEL_DATA: own, TRISIEL_PORT: '0', TRISIEL_RUN_PORT: '0', TRISIEL_RUNNERS: '1' };
    const first = await startPlatformChild({ ...env, TRISIEL_DATABASE: server.url('other') });
    await first.stop();
    expect(await refusedStart({ ...env, TRISIEL_DATABASE: server.url('trisiel') })).toContain(
      'belongs to another database',
    );
    expect(await refusedStart({ ...env, TRISIEL_DATABASE: '' })).toContain('TRISIEL_DATABASE is not set');
    await rm(own, { recursive: true });
  });
});
