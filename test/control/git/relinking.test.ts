/** Components after an upgrade: those that a linker of an earlier version has linked are linked anew. */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { DeploymentRow } from '../../../src/control/deploy/deployment-row.ts';
import { LINKER_VERSION } from '../../../src/guest/component/recognise.ts';
import { PlatformError } from '../../../src/protocol/errors.ts';
import { linkerVersionOf } from '../../../src/protocol/module.ts';
import type { HandlerId } from '../../../src/protocol/names.ts';
import type { NodeView } from '../../../src/protocol/ports.ts';
import { commit, git, makeRepo, removeTemporaryFolders } from '../../support/e2e.ts';
import { type DoorPlatform, type DoorUser, startDoor } from '../../support/git-platform.ts';
import { goneFunction, linkedBefore } from '../../support/linked-before.ts';

let platform: DoorPlatform;
let user: DoorUser;
let component: Buffer;
beforeAll(async () => {
  platform = await startDoor();
  user = await platform.user('cadey');
  component = await readFile(new URL('../../../fixtures/guests/component/http.wasm', import.meta.url));
});
beforeEach(() => {
  platform.fleet.nodes = [];
  platform.fleet.refuse = null;
  platform.reports.length = 0;
});
afterAll(async () => {
  await platform.close();
  await removeTemporaryFolders();
});

let names = 0;

/** Pushes the component, other bytes each time, under a name of its own; with `branches` as previews too. */
async function pushed(files: Record<string, string> = {}, branches: readonly string[] = []) {
  names += 1;
  const name = `handler-${names}`;
  const repo = await makeRepo({ 'a.wasm': variant(), ...files });
  for (const branch of branches) {
    await git(repo, 'checkout', '-q', '-b', branch);
    await commit(repo, { 'a.wasm': variant() });
    await git(repo, 'checkout', '-q', 'main');
  }
  const result = await platform.push(user, repo, name, 'main', ...branches);
  expect(result.status, result.stderr).toBe(0);
  await platform.door.idle();
  return { name, repo, id: (await platform.handlers.find(name))!.id };
}

let variants = 0;
function variant(): Buffer {
  variants += 1;
  return Buffer.concat([component, Buffer.from([0, 3, 1, 0x76, variants])]);
}

async function rows(id: HandlerId): Promise<readonly DeploymentRow[]> {
  return platform.db.selectFrom('deployments').selectAll().where('handler_id', '=', id).orderBy('number').execute();
}

/** Makes all Deployments of a handler those of an earlier linker, as after an upgrade. Returns their Artifacts. */
async function upgrade(id: HandlerId, version?: number): Promise<readonly string[]> {
  const before: string[] = [];
  for (const { artifact } of await rows(id)) before.push(await linkedBefore(platform, artifact, version));
  return before;
}

const relink = () => platform.deployments.relinking.look();

describe('a live component of an earlier linker', () => {
  it('is linked anew from its commit, with its previews, and served; the old Artifacts are removed', async () => {
    const { name, id } = await pushed({}, ['dev']);
    const before = await upgrade(id);
    const servedBefore = platform.fleet.specOf(name)!;
    await relink();
    const after = await rows(id);
    expect(after.map(({ artifact, state }) => [linkerVersionOf(artifact), state])).toEqual([
      [LINKER_VERSION, 'live'],
      [LINKER_VERSION, 'live'],
    ]);
    const served = platform.fleet.specOf(name)!;
    expect([served.artifact, served.number]).toEqual([after[0]!.artifact, 1]);
    expect(served.module.plan.imports.map((one) => one.name)).not.toContain(goneFunction);
    expect(served.specId).not.toBe(servedBefore.specId);
    expect(platform.fleet.specOf(`dev--${name}`)!.artifact).toBe(after[1]!.artifact);
    expect(await platform.logs(name)).toContainEqual(expect.stringMatching(/^v1 was linked anew/));
    expect(platform.reports).toEqual([]);
    await platform.deployments.maintain();
    const kept = await platform.artifacts.list();
    expect(kept).toEqual(expect.arrayContaining(after.map(({ artifact }) => artifact)));
    for (const old of before) expect(kept).not.toContain(old);
  });

  it('counts in the quota with what it has now', async () => {
    const { id } = await pushed();
    await upgrade(id);
    await platform.db.updateTable('artifacts').set({ bytes: 50_000_000 }).where('meter_version', '>', 0).execute();
    await platform.quota.measure(id, ['artifacts']);
    expect(await platform.quota.bytesOf(id)).toBeGreaterThan(50_000_000);
    await relink();
    expect(await platform.quota.bytesOf(id)).toBeLessThan(5_000_000);
  });

  it('is linked anew with the version that gets a share of the calls', async () => {
    const { name, id, repo } = await pushed();
    await commit(repo, { 'a.wasm': variant(), 'wasmcloud.toml': '[release]\npercent = 20\n' });
    expect((await platform.push(user, repo, name)).status).toBe(0);
    await platform.door.idle();
    await upgrade(id);
    await relink();
    const after = await rows(id);
    expect(after.map(({ state }) => state)).toEqual(['live', 'live']);
    for (const { artifact } of after) expect(linkerVersionOf(artifact)).toBe(LINKER_VERSION);
    const shared = platform.feed.serving(name);
    expect(shared.map((specId) => platform.fleet.specs.get(specId)?.artifact)).toEqual(
      after.map(({ artifact }) => artifact),
    );
  });

  it('that this version refuses stays as it was, says why once, and is not tried again', async () => {
    const { name, id } = await pushed();
    const [before] = await upgrade(id);
    const [row] = await rows(id);
    const manifest = { ...JSON.parse(row!.manifest), limits: { ...JSON.parse(row!.manifest).limits, memoryPages: 1 } };
    await platform.db
      .updateTable('deployments')
      .set({ manifest: JSON.stringify(manifest) })
      .where('id', '=', row!.id)
      .execute();
    await relink();
    await relink();
    expect((await rows(id))[0]).toMatchObject({ artifact: before, state: 'live', relink_refused: LINKER_VERSION });
    const lines = (await platform.logs(name)).filter((line) => line.includes('stays as it was linked'));
    expect(lines).toEqual([
      expect.stringMatching(/earlier version of the platform.*pages of memory now, its limit is 1$/),
    ]);
    expect(platform.reports).toEqual([expect.stringContaining('is refused by this version')]);
  });

  it('waits while a node of another version lives', async () => {
    const { id } = await pushed();
    const before = await upgrade(id);
    const node: NodeView = { id: 'n', url: '', revision: 0, isServing: true, runners: [] };
    platform.fleet.nodes = [
      { ...node, version: '0' },
      { ...node, version: '1' },
    ];
    await relink();
    expect((await rows(id)).map(({ artifact }) => artifact)).toEqual(before);
    platform.fleet.nodes = [{ ...node, version: '1' }];
    await relink();
    expect(linkerVersionOf((await rows(id))[0]!.artifact)).toBe(LINKER_VERSION);
  });

  it('that runners cannot load stays as it was, and is tried three times', async () => {
    const { name, id } = await pushed();
    const before = await upgrade(id);
    platform.fleet.refuse = new PlatformError('vet_failed', 'a runner cannot load it');
    for (let look = 0; look < 5; look += 1) await relink();
    expect((await rows(id)).map(({ artifact }) => artifact)).toEqual(before);
    expect(platform.reports).toEqual(Array(3).fill(expect.stringContaining('could not be linked anew')));
    expect(await platform.logs(name)).not.toContainEqual(expect.stringContaining('linked'));
  });

  it('of a later linker is left alone: another control is upgraded already', async () => {
    const { id } = await pushed();
    const before = await upgrade(id, LINKER_VERSION + 1);
    await relink();
    expect((await rows(id)).map(({ artifact }) => artifact)).toEqual(before);
    expect(platform.reports).toEqual([]);
  });

  it('whose repository has other bytes at the commit is not linked', async () => {
    const { id } = await pushed();
    const before = await upgrade(id);
    await platform.db
      .updateTable('artifacts')
      .set(({ fn, val, ref }) => ({
        module: fn<string>('replace', [ref('module'), val('"sha256":"'), val('"sha256":"0')]),
      }))
      .where('name', '=', before[0]!)
      .execute();
    await relink();
    expect((await rows(id)).map(({ artifact }) => artifact)).toEqual(before);
    expect(platform.reports).toEqual([expect.stringContaining('is not what was pushed')]);
  });
});

describe('a version that is rolled back to', () => {
  it('is linked anew first', async () => {
    const { name, id, repo } = await pushed();
    await commit(repo, { 'a.wasm': variant() });
    expect((await platform.push(user, repo, name)).status).toBe(0);
    await platform.door.idle();
    await upgrade(id);
    await platform.deployments.rollback({ handlerId: id, number: 1, userId: user.id });
    const [first, second] = await rows(id);
    expect([first!.state, linkerVersionOf(first!.artifact)]).toEqual(['live', LINKER_VERSION]);
    expect([second!.state, linkerVersionOf(second!.artifact)]).toEqual(['retired', LINKER_VERSION - 1]);
    expect(platform.fleet.specOf(name)!.artifact).toBe(first!.artifact);
    await platform.deployments.startRollout({ handlerId: id, number: 2, percent: 10, userId: user.id });
    expect(linkerVersionOf((await rows(id))[1]!.artifact)).toBe(LINKER_VERSION);
  });
});
