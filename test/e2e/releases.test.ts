/**
 * Gradual releases as callers meet them: shares, stickiness, changes under load, and the end of a version that fails.
 */
import { readFile } from 'node:fs/promises';
import { afterAll, describe, expect, it } from 'vitest';
import type { LogLine } from '../../src/protocol/nouns.ts';
import type { DeploymentView, RolloutView } from '../../src/protocol/views.ts';
import { beforeAttempts } from '../support/attempts.ts';
import {
  api,
  commit,
  createUser,
  makeRepo,
  push,
  removeTemporaryFolders,
  startPlatform,
  type TestPlatform,
  type TestUser,
} from '../support/e2e.ts';

const guest = (name: string) => readFile(new URL(`../../fixtures/guests/cwa/${name}.wasm`, import.meta.url));

let platform: TestPlatform;
let ada: TestUser;
beforeAttempts(async () => {
  platform = await startPlatform({ TRISIEL_RUNNERS: '2' });
  ada = await createUser(platform, 'ada');
}, removeTemporaryFolders);
afterAll(async () => {
  await platform.stop();
  await removeTemporaryFolders();
});

const saying = (word: string, more = '') => `[env]\nGREETING = "${word}"\n${more}`;

/** Pushes v1, which says `one`, and v2, which says `two`; v1 is live then. */
async function twoVersions(handler: string, release = ''): Promise<string> {
  const repo = await makeRepo({ 'a.wasm': await guest('env'), 'wasmcloud.toml': saying('one') });
  expect((await push(platform, ada, repo, handler)).status).toBe(0);
  await commit(repo, { 'wasmcloud.toml': saying('two', release) });
  expect((await push(platform, ada, repo, handler)).status).toBe(0);
  const back = await api(platform, ada, 'POST', `/handlers/${handler}/rollback`, { number: 1 });
  expect(back.status).toBe(200);
  return repo;
}

const release = (handler: string, percent: number, number = 2) =>
  api(platform, ada, 'PUT', `/handlers/${handler}/release`, { number, percent });
const current = async (handler: string) =>
  ((await api(platform, ada, 'GET', `/handlers/${handler}/release`)).body as { release: RolloutView | null }).release;

interface Said {
  readonly status: number;
  readonly word: string;
  readonly cookie: string | null;
}
async function ask(handler: string, headers: Readonly<Record<string, string>> = {}): Promise<Said> {
  const answer = await fetch(`${platform.runUrl}/${handler}/`, { headers });
  const cookie = answer.headers.getSetCookie().find((one) => one.startsWith('trisiel-release=')) ?? null;
  return { status: answer.status, word: (await answer.text()).trim(), cookie };
}

/** Asks `count` times, some at once. */
async function askMany(handler: string, count: number, headers = {}): Promise<readonly Said[]> {
  const all: Said[] = [];
  const loop = async () => {
    while (all.length < count) all.push(await ask(handler, headers));
  };
  await Promise.all(Array.from({ length: 8 }, loop));
  return all.slice(0, count);
}

/** Pearson's statistic of two classes: above 40 once in 10^9 runs where the share is exact. */
function chiSquare(said: readonly Said[], share: number): number {
  const expected = said.length * share;
  const got = said.filter(({ word }) => word === 'two').length;
  return (got - expected) ** 2 / expected + (got - expected) ** 2 / (said.length - expected);
}

describe('a gradual release', () => {
  it('shares calls out exactly, keeps each caller, and loses no call when its share changes and when it ends', async () => {
    await twoVersions('shared');
    let isOver = false;
    const under: Said[] = [];
    const load = Array.from({ length: 4 }, async () => {
      while (!isOver) under.push(await ask('shared'));
    });
    expect((await release('shared', 30)).status).toBe(200);
    expect(chiSquare(await askMany('shared', 1_500), 0.3)).toBeLessThan(40);
    const known = (await askMany('shared', 40)).map(({ cookie, word }) => ({ cookie: cookie!.split(';')[0]!, word }));
    for (const { cookie, word } of known)
      expect(await ask('shared', { cookie })).toEqual({ status: 200, word, cookie: null });
    expect((await release('shared', 60)).status).toBe(200);
    expect(chiSquare(await askMany('shared', 1_500), 0.6)).toBeLessThan(40);
    // Whoever had the new version keeps it when its share grows.
    for (const { cookie } of known.filter(({ word }) => word === 'two'))
      expect((await ask('shared', { cookie })).word).toBe('two');
    expect((await api(platform, ada, 'POST', '/handlers/shared/release/finish')).status).toBe(200);
    const after = await askMany('shared', 50);
    isOver = true;
    await Promise.all(load);
    expect(after.every(({ word, cookie }) => word === 'two' && cookie === null)).toBe(true);
    expect(under.length).toBeGreaterThan(100);
    expect(under.filter(({ status }) => status !== 200)).toEqual([]);
    expect(await current('shared')).toBeNull();
    const { body } = await api(platform, ada, 'GET', '/handlers/shared/deployments');
    const states = (body as { deployments: DeploymentView[] }).deployments.map(({ number, state }) => [number, state]);
    expect(states).toEqual([
      [2, 'live'],
      [1, 'retired'],
    ]);
  }, 300_000);

  it('knows callers by the header of the manifest, and tells figures of both versions', async () => {
    await twoVersions('named', '[release]\nheader = "X-User"\n');
    await release('named', 50);
    const words = await Promise.all(
      Array.from({ length: 20 }, async (_, user) => {
        const said = await askMany('named', 4, { 'x-user': `user-${user}` });
        expect(said.every(({ cookie }) => cookie === null)).toBe(true);
        return new Set(said.map(({ word }) => word));
      }),
    );
    expect(words.every(({ size }) => size === 1)).toBe(true);
    expect(words.flatMap((one) => [...one]).sort()).toContain('one');
    expect(words.flatMap((one) => [...one]).sort()).toContain('two');
    const total = async () => {
      const { from, to } = (await current('named'))!.figures;
      return from.invocations + to.invocations;
    };
    await expect.poll(total, { timeout: 150_000 }).toBeGreaterThanOrEqual(80);
    expect(await current('named')).toMatchObject({ from: 1, to: 2, percent: 50, header: 'x-user' });
    expect((await api(platform, ada, 'DELETE', '/handlers/named/release')).status).toBe(204);
    expect((await askMany('named', 20)).every(({ word }) => word === 'one')).toBe(true);
    expect((await api(platform, ada, 'DELETE', '/handlers/named/release')).status).toBe(404);
  }, 300_000);

  it('begins with a push where the manifest says so, and ends by itself when too many calls fail', async () => {
    const repo = await makeRepo({ 'a.wasm': await guest('env'), 'wasmcloud.toml': saying('one') });
    await push(platform, ada, repo, 'failing');
    await commit(repo, {
      'a.wasm': await guest('trap'),
      'wasmcloud.toml': saying('two', '[release]\npercent = 50\nerror-percent = 10\n'),
    });
    const pushed = await push(platform, ada, repo, 'failing');
    expect(pushed.stderr).toContain('for 50 % of the calls beside v1');
    expect((await current('failing'))?.to).toBe(2);
    await expect
      .poll(
        async () => {
          await askMany('failing', 20);
          return current('failing');
        },
        { timeout: 150_000 },
      )
      .toBeNull();
    // The database says it first, then runners get the new route.
    const fine = (said: readonly Said[]) => said.every(({ status, word }) => status === 200 && word === 'one');
    await expect.poll(async () => fine(await askMany('failing', 30)), { timeout: 150_000 }).toBe(true);
    expect(fine(await askMany('failing', 30))).toBe(true);
    const { body } = await api(platform, ada, 'GET', '/handlers/failing/logs?grep=no%20calls%20any%20more');
    expect((body as { lines: LogLine[] }).lines[0]?.text).toMatch(/^v2 gets no calls any more: \d+ of its \d+ calls/);
  }, 300_000);
});
