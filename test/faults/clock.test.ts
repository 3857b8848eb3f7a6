/** docs/safety.md, fault 25: the wall clock jumps by an hour, ahead and back, in control and in a runner. */
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import type { InvocationRecord } from '../../src/protocol/nouns.ts';
import {
  api,
  call,
  commit,
  createUser,
  LogTail,
  makeRepo,
  push,
  removeTemporaryFolders,
  startPlatform,
} from '../support/e2e.ts';
import { printing } from '../support/e2e-guests.ts';
import { call as callUrl, deploymentOf, fixture, TestFleet } from '../support/fleet.ts';
import { startThenSleep } from '../support/wat.ts';

const clock = fileURLToPath(new URL('../support/jumping-clock.ts', import.meta.url));
const offsetsMs = [3_600_000, -3_600_000, 0];
/** No call or push takes this long; an hour is far beyond. */
const plausibleMs = 10 * 60_000;

describe('fault 25: a clock that jumps in a runner', () => {
  it.each(['while nothing waits', 'while calls sleep'])(
    '%s: calls sleep as long as they asked for, and no deadline comes early or never',
    async (when) => {
      const fleet = new TestFleet({ nodeFlags: [`--allow-fs-read=${clock}`, '--import', clock] });
      await fleet.start();
      try {
        await fleet.deploy(deploymentOf('sleeper', await fixture('cwa/sleep.wasm')));
        await fleet.deployWat('late', startThenSleep, { limits: { timeoutMs: 1_500 } });
        for (const offsetMs of offsetsMs) {
          const begun = fleet.records.length;
          const jump = async () => {
            process.kill(fleet.runners[0]?.pid ?? 0, 'SIGUSR2');
            await fleet.until(() =>
              fleet.events.find(
                (event) => event.kind === 'runner_stderr' && event.line === `clock offset ${offsetMs} ms`,
              ),
            );
          };
          if (when === 'while nothing waits') await jump();
          const sleeper = callUrl(`${fleet.url}/sleeper/?900`);
          const late = get(`${fleet.url}/late/`, { agent: false });
          const [response] = (await once(late, 'response')) as [IncomingMessage];
          late.on('error', () => {});
          const broken = new Promise<string>((resolve) => response.once('error', ({ message }) => resolve(message)));
          // Its answer has begun, so both run.
          await once(response, 'data');
          if (when === 'while calls sleep') await jump();
          expect((await sleeper).text).toBe('slept\n');
          expect(await broken).toMatch(/aborted|hang up|ECONNRESET/);
          const records = await fleet.until(() =>
            fleet.records.length >= begun + 2 ? fleet.records.slice(begun) : undefined,
          );
          const of = (handler: string) => records.find((record) => record.handler === handler) as InvocationRecord;
          expect(of('late')).toMatchObject({ outcome: 'deadline_exceeded' });
          expect(of('sleeper')).toMatchObject({ outcome: 'ok' });
          for (const [handler, leastMs] of [
            ['late', 1_490],
            ['sleeper', 890],
          ] as const) {
            expect(of(handler).durationMs).toBeGreaterThanOrEqual(leastMs);
            expect(of(handler).durationMs).toBeLessThan(plausibleMs);
          }
        }
      } finally {
        await fleet.stop();
      }
    },
  );
});

describe('fault 25: a clock that jumps in control', () => {
  afterAll(removeTemporaryFolders);

  it('leaves Tokens, the live log and its order, pushes and what they say of durations as they were', async () => {
    const platform = await startPlatform({ NODE_OPTIONS: `--import=${clock}`, TRISIEL_RUNNERS: '1' });
    const user = await createUser(platform, 'ada');
    const repo = await makeRepo({ 'a.wasm': printing('v1\n') });
    expect((await push(platform, user, repo, 'timed')).status).toBe(0);
    const tail = await LogTail.open(platform, user, 'timed');
    let version = 1;
    for (const offsetMs of offsetsMs) {
      platform.child.kill('SIGUSR2');
      await platform.logged(`clock offset ${offsetMs} ms`);
      version += 1;
      await commit(repo, { 'a.wasm': printing(`v${version}\n`) });
      const { status, stderr } = await push(platform, user, repo, 'timed');
      expect(status, stderr).toBe(0);
      const seconds = Number(/deployed v\d+ in (\S+) s/.exec(stderr)?.[1]);
      expect(seconds).toBeGreaterThanOrEqual(0);
      expect(seconds * 1000).toBeLessThan(plausibleMs);
      await tail.line(({ text }) => text.includes(`deployed v${version}`));
      expect((await call(platform, 'timed')).body).toBe(`v${version}\n`);
      expect((await api(platform, user, 'GET', '/whoami')).status).toBe(200);
      const session = await api(platform, null, 'POST', '/sessions', {
        name: 'ada',
        password: 'correct horse battery',
      });
      expect(session.status).toBe(201);
      const { body } = await api(platform, user, 'GET', '/handlers/timed/deployments');
      expect((body as { deployments: { number: number }[] }).deployments.map(({ number }) => number)).toEqual(
        Array.from({ length: version }, (_, n) => version - n),
      );
    }
    expect(tail.dropped).toBe(0);
    const cursors = tail.lines.map(({ cursor }) => cursor);
    expect(cursors).toEqual([...cursors].sort((a, b) => a - b));
    const { body } = await api(platform, user, 'GET', '/handlers/timed/logs?limit=100');
    expect((body as { lines: { cursor: number }[] }).lines.map(({ cursor }) => cursor)).toEqual(cursors);
    tail.close();
    expect(platform.log()).not.toContain('"runner_ended"');
    expect(await platform.stop()).toBe(0);
  });
});
