/**
 * Two or more controls with runners on one PostgreSQL database: pushes through all of them, one killed with its disk.
 */

import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { beforeAttempts } from '../support/attempts.ts';
import { command } from '../support/database.ts';
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
  type TestUser,
  temporaryFolder,
} from '../support/e2e.ts';
import { printing } from '../support/e2e-guests.ts';
import { type PostgresServer, postgresMissing, postgresPassword, startPostgres } from '../support/postgres.ts';

if (postgresMissing !== null) process.stderr.write(`skipped: many controls: ${postgresMissing}\n`);

describe.skipIf(postgresMissing !== null)('many controls', () => {
  let server: PostgresServer;
  let one: TestPlatform;
  let two: TestPlatform;
  let ada: TestUser;

  const start = (): Promise<TestPlatform> =>
    startPlatform({ TRISIEL_DATABASE: server.url('trisiel'), TRISIEL_RUNNERS: '1' });

  beforeAttempts(async () => {
    server = await startPostgres();
    await command(server, 'create database trisiel');
    one = await start();
    two = await start();
    ada = await createUser(one, 'ada');
  }, removeTemporaryFolders);

  afterAll(async () => {
    await removeTemporaryFolders();
    await server.close();
  });

  async function cloned(platform: TestPlatform, handler: string): Promise<string> {
    const folder = await temporaryFolder();
    const result = await git(folder, 'clone', '-q', remoteUrl(platform, ada, handler), 'clone');
    expect(result.status, result.stderr).toBe(0);
    return (await git(join(folder, 'clone'), 'rev-parse', 'HEAD')).stdout.trim();
  }

  it('100 pushes to 10 handlers through 2 controls get the versions 1 to 10 of each, without a hole', async () => {
    const names = Array.from({ length: 10 }, (_, i) => `many-${i}`);
    const pushAll = async (name: string): Promise<void> => {
      const repo = await makeRepo({ 'a.wasm': printing(`${name} 1\n`) });
      for (let n = 1; n <= 10; n += 1) {
        if (n > 1) await commit(repo, { 'a.wasm': printing(`${name} ${n}\n`) });
        const pushed = await push(n % 2 === 0 ? one : two, ada, repo, name);
        expect(pushed.status, pushed.stderr).toBe(0);
        expect(pushed.stderr).toContain(`deployed v${n}`);
      }
    };
    // Two at a time, so that both controls always have work.
    await Promise.all(
      [names.slice(0, 5), names.slice(5)].map(async (some) => {
        for (const name of some) await pushAll(name);
      }),
    );
    for (const name of names) {
      const { body } = await api(one, ada, 'GET', `/handlers/${name}/deployments`);
      const numbers = (body as { deployments: { number: number }[] }).deployments.map(({ number }) => number);
      expect(numbers.sort((a, b) => a - b)).toEqual(Array.from({ length: 10 }, (_, i) => i + 1));
    }
    // A push takes seconds on a machine that does much else.
  }, 900_000);

  it('one that is killed, with its disk: a clone and a push through another go on, and it serves the Artifact', async () => {
    const repo = await makeRepo({ 'a.wasm': printing('before\n') });
    expect((await push(one, ada, repo, 'lost')).status).toBe(0);
    await commit(repo, { 'a.wasm': printing('last accepted\n') });
    expect((await push(two, ada, repo, 'lost')).stderr).toContain('deployed v2');
    const accepted = (await git(repo, 'rev-parse', 'HEAD')).stdout.trim();
    const exited = once(one.child, 'exit');
    one.child.kill('SIGKILL');
    await exited;
    await rm(join(one.dataFolder, 'repos'), { recursive: true, force: true });
    await rm(join(one.dataFolder, 'artifacts'), { recursive: true, force: true });
    expect(await cloned(two, 'lost')).toBe(accepted);
    // A control that never had the Artifact serves it after its start.
    const three = await start();
    expect((await call(three, 'lost')).body).toBe('last accepted\n');
    await commit(repo, { 'a.wasm': printing('after\n') });
    const pushed = await push(three, ada, repo, 'lost');
    expect(pushed.stderr).toContain('deployed v3');
    expect((await call(two, 'lost')).body).toBe('after\n');
    // The killed one comes back, with an empty disk.
    one = await startPlatform({ ...one.env });
    expect(await cloned(one, 'lost')).toBe((await git(repo, 'rev-parse', 'HEAD')).stdout.trim());
    expect((await call(one, 'lost')).body).toBe('after\n');
    await three.stop();
  });

  it('no log line and no answer holds the secret of controls or the password of the database', async () => {
    const logs = one.log() + two.log();
    expect(logs).not.toContain(postgresPassword);
    const forged = await fetch(`${two.controlUrl}/lost.git/info/refs?service=git-upload-pack`, {
      headers: {
        authorization: `Basic ${Buffer.from(`wasmcloud:${ada.token}`).toString('base64')}`,
        'trisiel-forwarded': `v1 192.0.2.1 ${'0'.repeat(64)}`,
      },
    });
    expect([forged.status, await forged.text()]).toEqual([400, expect.stringContaining('was not passed on')]);
  });
});
