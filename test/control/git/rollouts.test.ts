/** Gradual releases in control: what runners are told, and what ends them. */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ReleaseChange } from '../../../src/protocol/ports.ts';
import { commit, makeRepo, removeTemporaryFolders } from '../../support/e2e.ts';
import { type DoorPlatform, type DoorUser, startDoor } from '../../support/git-platform.ts';

let platform: DoorPlatform;
let user: DoorUser;
let hello: Buffer;
let changes: ReleaseChange[] = [];
beforeAll(async () => {
  platform = await startDoor();
  user = await platform.user('cadey');
  hello = await readFile(new URL('../../../fixtures/guests/cwa/hello.wasm', import.meta.url));
  platform.feed.changes((change) => changes.push(change));
});
afterAll(async () => {
  await platform.close();
  await removeTemporaryFolders();
});

let names = 0;
/** Pushes three versions; v3 is live. */
async function threeVersions() {
  names += 1;
  const handler = `heron-${names}`;
  const repo = await makeRepo({ 'hello.wasm': hello });
  for (let n = 1; n <= 3; n += 1) {
    if (n > 1) await commit(repo, { 'wasmcloud.toml': `[env]\nN = "${n}"\n` });
    expect((await platform.push(user, repo, handler)).status).toBe(0);
  }
  const { id } = (await platform.handlers.find(handler))!;
  const of = { handlerId: id, userId: user.id };
  changes = [];
  return { handler, repo, of };
}

/** What runners were told last. */
function told() {
  const last = changes.at(-1);
  if (last?.kind !== 'release') throw new Error('no release');
  const shared = last.rollout === null ? null : platform.fleet.specs.get(last.rollout.specId);
  return { live: last.spec.number, shared: shared?.number ?? null, percent: last.rollout?.percent ?? null };
}
const states = async (handlerId: string) =>
  (
    await platform.db
      .selectFrom('deployments')
      .select('state')
      .where('handler_id', '=', handlerId)
      .orderBy('number')
      .execute()
  )
    .map(({ state }) => state)
    .join(' ');

it('is told to runners with both specs, also to those that start later, and follows variables', async () => {
  const { handler, of } = await threeVersions();
  await platform.deployments.startRollout({ ...of, number: 1, percent: 10 });
  expect(told()).toEqual({ live: 3, shared: 1, percent: 10 });
  expect(await states(of.handlerId)).toBe('live retired live');
  await platform.env.set(of.handlerId, 'A', 'b');
  await platform.deployments.environmentChanged(of.handlerId);
  expect(told()).toEqual({ live: 3, shared: 1, percent: 10 });
  const { specs, releases } = await platform.deployments.releaseState();
  const found = releases.find(({ label }) => label === handler)!;
  expect(specs.find(({ specId }) => specId === found.specId)?.env.A).toBe('b');
  expect(specs.find(({ specId }) => specId === found.rollout?.specId)).toMatchObject({ number: 1, env: { A: 'b' } });
});

it('changes its share, and another version takes its place', async () => {
  const { of } = await threeVersions();
  await platform.deployments.startRollout({ ...of, number: 1, percent: 10 });
  await platform.deployments.startRollout({ ...of, number: 1, percent: 20 });
  expect(told()).toEqual({ live: 3, shared: 1, percent: 20 });
  await platform.deployments.startRollout({ ...of, number: 2, percent: 5 });
  expect(told()).toEqual({ live: 3, shared: 2, percent: 5 });
  expect(await states(of.handlerId)).toBe('retired live live');
});

it('ends with a push and with a rollback, and what it shared is freed', async () => {
  const { repo, handler, of } = await threeVersions();
  await platform.deployments.startRollout({ ...of, number: 1, percent: 10 });
  await commit(repo, { 'wasmcloud.toml': '[env]\nN = "4"\n' });
  expect((await platform.push(user, repo, handler)).status).toBe(0);
  expect(told()).toEqual({ live: 4, shared: null, percent: null });
  expect(await states(of.handlerId)).toBe('retired retired retired live');
  expect(platform.fleet.calls.slice(-2).sort()).toEqual(['forget v1', 'forget v3']);
  await platform.deployments.startRollout({ ...of, number: 1, percent: 10 });
  await platform.deployments.rollback({ ...of, number: 3 });
  expect(told()).toEqual({ live: 3, shared: null, percent: null });
  expect(await platform.deployments.rolloutOf(of.handlerId)).toBeNull();
});

it('is finished and aborted once', async () => {
  const { of } = await threeVersions();
  await platform.deployments.startRollout({ ...of, number: 1, percent: 10 });
  await platform.deployments.abortRollout(of);
  expect(told()).toEqual({ live: 3, shared: null, percent: null });
  await expect(platform.deployments.abortRollout(of)).rejects.toMatchObject({ code: 'not_found' });
  await platform.deployments.startRollout({ ...of, number: 2, percent: 10 });
  await platform.deployments.finishRollout(of);
  expect(told()).toEqual({ live: 2, shared: null, percent: null });
  expect(await states(of.handlerId)).toBe('retired live retired');
  await expect(platform.deployments.finishRollout(of)).rejects.toMatchObject({ code: 'not_found' });
});

it('is refused for a version that is live, that never was, or that is not there', async () => {
  const { repo, handler, of } = await threeVersions();
  await platform.push(user, repo, handler, 'HEAD:refs/heads/dev');
  const start = (number: number) => platform.deployments.startRollout({ ...of, number, percent: 10 });
  await expect(start(3)).rejects.toMatchObject({ code: 'conflict' });
  await expect(start(4)).rejects.toMatchObject({ code: 'conflict' });
  await expect(start(9)).rejects.toMatchObject({ code: 'not_found' });
});

it('is aborted where more calls fail than its manifest allows, and not before enough were made', async () => {
  const { of } = await threeVersions();
  await platform.deployments.startRollout({ ...of, number: 1, percent: 10 });
  const minuteMs = Math.ceil(Date.now() / 60_000) * 60_000;
  const usage = (invocations: number, failures: number, refusals: number) =>
    platform.db
      .insertInto('usage')
      .values({
        ...{ handler_id: of.handlerId, deployment: 1, minute_ms: minuteMs, invocations, failures, refusals },
        ...{ gas: 1, duration_ms: 1, bytes_in: 0, bytes_out: 0 },
      })
      .onConflict((oc) =>
        oc.columns(['handler_id', 'deployment', 'minute_ms']).doUpdateSet({ invocations, failures, refusals }),
      )
      .execute();
  // The platform refused `refusals` of them: they neither failed nor count as calls of the version.
  for (const [calls, failures, refusals, goesOn] of [
    [19, 19, 0, true],
    [1_000, 50, 0, true],
    [2_000, 1_050, 1_000, true],
    [1_019, 1_019, 1_000, true],
    [2_000, 1_051, 1_000, false],
  ] as const) {
    await usage(calls, failures, refusals);
    await platform.deployments.judgeRollouts();
    const now = await platform.deployments.rolloutOf(of.handlerId);
    expect(now !== null, `${failures} of ${calls}, ${refusals}`).toBe(goesOn);
    if (now !== null)
      expect(now.figures.to).toMatchObject({ invocations: calls - refusals, failures: failures - refusals });
  }
  expect(told()).toEqual({ live: 3, shared: null, percent: null });
});
