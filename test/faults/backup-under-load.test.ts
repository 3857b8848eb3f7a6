/**
 * A platform is backed up while pushes and settings go on. Everything acknowledged before the beginning is in the
 * archive, and the archive is of one moment; it is restored into SQLite and into PostgreSQL. BACKUP_HANDLERS: how many
 * handlers, default 24.
 */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, expect, it } from 'vitest';
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
  type TestUser,
  temporaryFolder,
} from '../support/e2e.ts';
import { postgresMissing, startPostgres } from '../support/postgres.ts';
import { trisiel } from '../support/trisiel.ts';

afterAll(removeTemporaryFolders);

const count = Number(process.env.BACKUP_HANDLERS ?? 24);
const minutes = 60_000;

/** Pushes, again after the time that the platform names when a user pushes too often. */
async function pushInTurn(...what: Parameters<typeof push>): ReturnType<typeof push> {
  for (;;) {
    const pushed = await push(...what);
    const seconds = /too many pushes, try again in (\d+) s/.exec(pushed.stderr)?.[1];
    if (seconds === undefined) return pushed;
    await delay(Number(seconds) * 1_000);
  }
}

it(`a backup of ${count} handlers under load loses nothing acknowledged before it, and all of it serves`, {
  timeout: 15 * minutes + count * 5_000,
}, async () => {
  const platform = await startPlatform();
  // One user may have 500 handlers, and make some 200 pushes before each one has to wait for a second.
  const users = await Promise.all(Array.from({ length: Math.ceil(count / 150) }, () => createUser(platform)));
  const module = await readFile(new URL('../../fixtures/guests/cwa/hello.wasm', import.meta.url));
  const repos = await Promise.all([0, 1, 2].map(() => makeRepo({ 'a.wasm': module })));
  const names = Array.from({ length: count }, (_, at) => `load-${at}`);
  const ownerOf = (name: string): TestUser => users[Number(name.slice('load-'.length)) % users.length]!;
  let next = 0;
  await Promise.all(
    repos.map(async (repo) => {
      for (let name = names[next++]; name !== undefined; name = names[next++]) {
        const pushed = await pushInTurn(platform, ownerOf(name), repo, name);
        expect(pushed.status, pushed.stderr).toBe(0);
      }
    }),
  );

  /** What has been acknowledged so far: newest version and variables, by handler. */
  const versions = new Map(names.map((name) => [name, 1]));
  const variables = new Map<string, number>();
  let isOver = false;
  const refused: string[] = [];
  const pushing = repos.map(async (repo, lane) => {
    // Two pushes to one handler at once would refuse each other.
    const own = names.filter((_, at) => at % repos.length === lane).slice(0, 10);
    for (let n = 0; !isOver; n += 1) {
      const name = own[n % own.length]!;
      // Each push deploys a new version, since its manifest is another.
      await commit(repo, { 'wasmcloud.toml': `[env]\nTURN = "${lane} ${n}"\n` });
      const pushed = await pushInTurn(platform, ownerOf(name), repo, name, '--force', 'main');
      const version = /deployed v(\d+)/.exec(pushed.stderr)?.[1];
      if (pushed.status !== 0 && !isOver) refused.push(pushed.stderr);
      if (pushed.status === 0 && version !== undefined)
        versions.set(name, Math.max(versions.get(name)!, Number(version)));
    }
  });
  const setting = (async () => {
    for (let n = 0; !isOver; n += 1) {
      const name = names[n % count]!;
      // The API tells the last four characters of a value that is as long as this.
      const value = `value of turn ${String(n % 10_000).padStart(4, '0')}`;
      const answer = await api(platform, ownerOf(name), 'PUT', `/handlers/${name}/env/K`, { value });
      if (answer.status === 200) variables.set(name, n % 10_000);
    }
  })();
  // Some of each are acknowledged before it begins.
  const isUnderWay = (): boolean => versions.get(names[0]!)! > 1 && variables.size > 0;
  try {
    await expect.poll(() => isUnderWay() || refused.length > 0, { timeout: 2 * minutes }).toBe(true);
    expect(refused).toEqual([]);
  } finally {
    isOver = !isUnderWay();
  }

  const before = { versions: new Map(versions), variables: new Map(variables) };
  const file = join(await temporaryFolder(), 'load.trisiel');
  const backedUp = await trisiel('backup', [file], platform.env);
  isOver = true;
  await Promise.all([...pushing, setting]);
  expect(refused).toEqual([]);
  expect(backedUp).toEqual({ status: 0, stderr: '', stdout: expect.stringContaining(`handlers=${count} `) });
  await platform.stop();

  const serves = async (env: Readonly<Record<string, string>>): Promise<void> => {
    expect(await trisiel('restore', [file], env)).toMatchObject({ status: 0, stderr: '' });
    expect(await trisiel('doctor', [], env)).toMatchObject({ status: 0, stdout: 'all is well\n' });
    const restored = await startPlatform(env);
    for (const name of names) {
      const { body } = await api(restored, ownerOf(name), 'GET', `/handlers/${name}`);
      const { version } = (body as { handler: { version: number } }).handler;
      expect(version, name).toBeGreaterThanOrEqual(before.versions.get(name)!);
      expect(await call(restored, name), name).toMatchObject({ status: 200, body: 'Hello, world!\n' });
    }
    for (const [name, turn] of before.variables) {
      const { body } = await api(restored, ownerOf(name), 'GET', `/handlers/${name}/env/K`);
      const { tail } = (body as { variable: { tail: string } }).variable;
      expect(Number(tail), name).toBeGreaterThanOrEqual(turn);
    }
    expect(await trisiel('doctor', [], env)).toMatchObject({ status: 0, stdout: 'all is well\n' });
    await restored.stop();
  };
  const elsewhere = async () => ({ ...platform.env, TRISIEL_DATA: join(await temporaryFolder(), 'data') });
  await serves(await elsewhere());
  if (postgresMissing !== null) {
    process.stderr.write(`skipped: the same restored into PostgreSQL: ${postgresMissing}\n`);
    return;
  }
  const server = await startPostgres();
  try {
    await command(server, 'create database trisiel');
    await serves({ ...(await elsewhere()), TRISIEL_DATABASE: server.url('trisiel') });
  } finally {
    await server.close();
  }
});
