/** Processes that die: a runner, control, and the platform that cannot start. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { startPlatformChild } from '../../src/bin/platform-child.ts';
import {
  api,
  call,
  createUser,
  LogTail,
  makeRepo,
  push,
  removeTemporaryFolders,
  runnerPid,
  startPlatform,
  type TestPlatform,
  temporaryFolder,
} from '../support/e2e.ts';
import { printing } from '../support/e2e-guests.ts';

afterAll(removeTemporaryFolders);

/** The runners' process ids, by the platform's own log. */
function runnerPids(platform: TestPlatform): readonly number[] {
  return platform
    .log()
    .split('\n')
    .filter((line) => line.includes('"runner_started"'))
    .map((line) => (JSON.parse(line) as { pid: number; kind: string }).pid);
}

describe('kill -9 of a runner', () => {
  it('fails at most what was in flight there; another takes its place', async () => {
    const platform = await startPlatform({ TRISIEL_RUNNERS: '1' });
    const user = await createUser(platform);
    const repo = await makeRepo({ 'a.wasm': printing('alive\n') });
    expect((await push(platform, user, repo, 'survivor')).status).toBe(0);
    const pid = await runnerPid(platform);
    process.kill(pid, 'SIGKILL');
    await platform.logged('"runner_ended"');
    for (;;) {
      const answer = await call(platform, 'survivor').catch(() => null);
      if (answer === null) continue;
      expect(answer.body).toBe('alive\n');
      break;
    }
    expect(await runnerPid(platform)).not.toBe(pid);
    expect(await platform.stop()).toBe(0);
  });
});

describe('kill -9 of control', () => {
  it('leaves functions served; the next control finds everything, and takes the runners over', async () => {
    const first = await startPlatform();
    const user = await createUser(first);
    const repo = await makeRepo({ 'a.wasm': printing('kept\n') });
    expect((await push(first, user, repo, 'kept')).status).toBe(0);
    const tail = await LogTail.open(first, user, 'kept');
    await tail.line((line) => line.text.includes('deployed v1'));
    const [last] = tail.lines.slice(-1);
    const closed = once(first.child, 'close');
    first.child.kill('SIGKILL');
    await closed;
    tail.close();
    expect((await call(first, 'kept')).body).toBe('kept\n');

    const ports = { TRISIEL_PORT: new URL(first.controlUrl).port, TRISIEL_RUN_PORT: new URL(first.runUrl).port };
    let isDone = false;
    const served = (async () => {
      const seen = new Set<string>();
      // An old runner that leaves may close a connection that a request is just taking; nothing else may fail.
      while (!isDone)
        seen.add(
          await call(first, 'kept').then(
            ({ body }) => body,
            (error: Error) => error.message,
          ),
        );
      return seen;
    })();
    const second = await startPlatform({ ...first.env, ...ports });
    expect(second.controlUrl).toBe(first.controlUrl);
    expect((await api(second, user, 'GET', '/handlers/kept')).body).toMatchObject({
      handler: { version: 1, state: 'live' },
    });
    const again = await LogTail.open(second, user, 'kept', (last?.cursor ?? 0) - 1);
    expect((await again.line(() => true)).cursor).toBe(last?.cursor);
    again.close();
    expect((await push(second, user, repo, 'kept')).status).toBe(0);
    isDone = true;
    expect([...(await served)]).toEqual(['kept\n']);
    expect(await second.stop()).toBe(0);
  });
});

describe('a platform that cannot start says why in one line and exits 1', () => {
  function start(env: Readonly<Record<string, string>>): Promise<{ status: number; stdout: string; stderr: string }> {
    const serve = fileURLToPath(new URL('../../src/bin/serve.ts', import.meta.url));
    return new Promise((resolve) => {
      execFile(process.execPath, [serve], { env: { PATH: process.env.PATH, ...env } }, (error, stdout, stderr) =>
        resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr }),
      );
    });
  }

  it('for a bad variable', async () => {
    const result = await start({ TRISIEL_PORT: 'eighty', TRISIEL_DATA: await temporaryFolder() });
    expect(result).toEqual({
      status: 1,
      stdout: '',
      stderr: 'trisiel: TRISIEL_PORT="eighty" is not a whole number from 0 to 65535\n',
    });
  });

  it.each(['TRISIEL_PORT', 'TRISIEL_RUN_PORT'])('for %s in use', async (variable) => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const ports = { TRISIEL_PORT: '0', TRISIEL_RUN_PORT: '0', [variable]: `${port}` };
    const result = await start({ ...ports, TRISIEL_DATA: await temporaryFolder() });
    other.close();
    expect(result.status).toBe(1);
    expect(result.stderr).toContain(`port ${port} on 127.0.0.1 is in use`);
    expect(result.stderr).toContain(`${variable} `);
  });

  it('for a data folder that cannot be written', async () => {
    const folder = await temporaryFolder();
    const file = join(folder, 'file');
    await writeFile(file, '');
    expect((await start({ TRISIEL_DATA: join(file, 'data') })).stderr).toContain(
      `cannot write to the data folder ${file}/data`,
    );
    if (process.getuid?.() === 0) return; // root may write everywhere
    await mkdir(join(folder, 'locked'));
    await chmod(join(folder, 'locked'), 0o500);
    expect((await start({ TRISIEL_DATA: join(folder, 'locked') })).stderr).toContain('cannot write to the data folder');
  });

  it('for a data folder that another control holds', async () => {
    const platform = await startPlatform({ TRISIEL_RUNNERS: '1' });
    const result = await start({ TRISIEL_DATA: platform.dataFolder, TRISIEL_PORT: '0', TRISIEL_RUN_PORT: '0' });
    expect(result).toMatchObject({ status: 1, stderr: expect.stringContaining(`process ${platform.child.pid}`) });
    expect(await platform.stop()).toBe(0);
  });
});

describe('a platform that is told to stop', () => {
  it('while it starts leaves no runner behind', async () => {
    const platform = startPlatformChild({
      TRISIEL_DATA: await temporaryFolder(),
      TRISIEL_PORT: '0',
      TRISIEL_RUN_PORT: '0',
    });
    const stopped = await platform.then(
      async (started) => {
        const status = await started.stop();
        return { status, pids: started.log().match(/"runner_started"/g) };
      },
      () => null,
    );
    expect(stopped?.status).toBe(0);
  });

  it('finishes what is in flight, answers no more, exits 0', async () => {
    const platform = await startPlatform({ TRISIEL_RUNNERS: '1' });
    expect((await fetch(`${platform.controlUrl}/healthz`)).status).toBe(200);
    expect((await fetch(`${platform.controlUrl}/readyz`)).status).toBe(200);
    const pids = runnerPids(platform);
    expect(pids).toHaveLength(1);
    expect(await platform.stop()).toBe(0);
    await expect(fetch(`${platform.controlUrl}/healthz`)).rejects.toThrow();
    expect(() => process.kill(pids[0] ?? 0, 0)).toThrow('ESRCH');
  });
});
