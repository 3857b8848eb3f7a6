/** Limits and policy that are set without a push: laid over the manifest, served at once, kept over pushes. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { effectivePolicy, noSettings } from '../../../src/control/handlers/settings.ts';
import { defaultLimits } from '../../../src/protocol/limits.ts';
import { notLoaded } from '../../../src/protocol/released.ts';
import { commit, makeRepo, removeTemporaryFolders } from '../../support/e2e.ts';
import { compileWat } from '../../support/fleet.ts';
import { type DoorPlatform, type DoorUser, startDoor } from '../../support/git-platform.ts';
import { cwaGuest } from '../../support/wat.ts';

let platform: DoorPlatform;
let user: DoorUser;
let repo: string;
let handlerId: string;

beforeAll(async () => {
  platform = await startDoor();
  user = await platform.user();
  repo = await makeRepo({
    'hello.wasm': Buffer.from(await compileWat(cwaGuest({ pages: '2', body: '' }))),
    'wasmcloud.toml': '[limits]\ngas = 1000000\n[policy]\nallow = ["^https://a\\\\."]\n',
  });
  expect((await platform.push(user, repo, 'otter')).status).toBe(0);
  handlerId = (await platform.handlers.find('otter'))!.id;
});
afterAll(async () => {
  await platform.close();
  await removeTemporaryFolders();
});

const served = () => platform.fleet.specOf('otter')!;
const change = (
  limits: Parameters<typeof platform.deployments.changeSettings>[0]['limits'],
  policy: { allow: string[]; disallow: string[] } | null = null,
) => platform.deployments.changeSettings({ handlerId, limits, policy });

test('win over the manifest at once, patterns are added, and both are given back', async () => {
  await change({ gas: 5_000, timeoutMs: 70 });
  expect(served()).toMatchObject({
    limits: { ...defaultLimits, gas: 5_000, timeoutMs: 70 },
    limitsSet: ['gas', 'timeoutMs'],
  });
  await change({}, { allow: ['^https://b\\.'], disallow: ['/admin'] });
  expect(served()).toMatchObject({
    limits: { gas: 5_000, timeoutMs: 70 },
    policy: { allow: ['^https://a\\.', '^https://b\\.'], disallow: ['/admin'] },
  });
  await change({ timeoutMs: null }, { allow: [], disallow: [] });
  expect(served().limits).toEqual({ ...defaultLimits, gas: 5_000 });
  expect(served().policy).toEqual({ allow: ['^https://a\\.'], disallow: [] });
  expect((await platform.logs('otter')).at(-1)).toMatch(/v1 runs with changed limits or policy/);
});

test('stay over a push, and are part of what a control that starts reads', async () => {
  await change({ gas: 7_000 });
  await commit(repo, { 'wasmcloud.toml': '[limits]\ngas = 2000000\nbody-bytes = 5\n' });
  expect((await platform.push(user, repo, 'otter')).status).toBe(0);
  expect(served().limits).toEqual({ ...defaultLimits, gas: 7_000, bodyBytes: 5 });
  const { specs } = await platform.deployments.releaseState();
  expect(specs.map(({ specId, limits }) => [specId, limits.gas])).toEqual([[served().specId, 7_000]]);
});

test('of a database that allow no version any more leave it unserved, not unknown', async () => {
  const handlers = platform.db.updateTable('handlers').where('id', '=', handlerId);
  const { settings } = await platform.db.selectFrom('handlers').select('settings').executeTakeFirstOrThrow();
  await handlers.set({ settings: JSON.stringify({ ...noSettings, limits: { memoryPages: 1 } }) }).execute();
  expect(await platform.deployments.releaseState()).toMatchObject({
    releases: [],
    known: [],
    unserved: [{ label: 'otter', reason: notLoaded }],
  });
  await handlers.set({ settings }).execute();
});

test('that cannot be served change nothing', async () => {
  const before = served();
  await expect(change({ memoryPages: 1 })).rejects.toMatchObject({ code: 'limit_exceeded' });
  for (const pattern of ['(', '(a+)+$', '[z-a]'])
    await expect(change({}, { allow: [], disallow: [pattern] }), pattern).rejects.toMatchObject({
      code: 'bad_request',
    });
  platform.fleet.refuse = new Error('a runner cannot load it');
  await expect(change({ gas: 9 })).rejects.toThrow('cannot load');
  platform.fleet.refuse = null;
  await change({});
  expect(served()).toMatchObject({ limits: before.limits, policy: before.policy });
});

test('without a policy in the manifest, patterns that disallow hold and the rest stays allowed', () => {
  const set = (allow: string[], disallow: string[]) => ({ ...noSettings, policy: { allow, disallow } });
  expect(effectivePolicy(null, noSettings)).toBeNull();
  expect(effectivePolicy(null, set(['^https:'], []))).toBeNull();
  expect(effectivePolicy(null, set(['^https:'], ['^http:']))).toEqual({ allow: ['^'], disallow: ['^http:'] });
});
