/** How a node follows what is released, with a control that this test plays. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Follower } from '../../src/node/follower.ts';
import { ReleaseCache } from '../../src/node/release-cache.ts';
import { PlatformError } from '../../src/protocol/errors.ts';
import type { DeploymentSpec } from '../../src/protocol/messages.ts';
import type { Elsewhere } from '../../src/protocol/placement.ts';
import type { ReleaseChange } from '../../src/protocol/ports.ts';
import type { Released } from '../../src/protocol/released.ts';

type Row = { readonly key: string; readonly revision: number; readonly content: Released | null };

let folder: string;
let cache: ReleaseCache;
let rows: Row[];
/** The counter of the database. */
let newest: number;
let changes: ReleaseChange[];
let caughtUp: number;
let admitting: () => Promise<void>;
/** Where a function goes that asks something of nodes; null: here. */
let elsewhere: Elsewhere | null;
let follower: Follower;
let reports: string[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trisiel-follower-'));
  cache = new ReleaseCache(join(folder, 'released.db'));
  rows = [];
  newest = 0;
  changes = [];
  caughtUp = 0;
  admitting = async () => {};
  elsewhere = null;
  reports = [];
  follower = make();
});
afterEach(async () => {
  cache.close();
  await rm(folder, { recursive: true, force: true });
});

function make(isThere = true): Follower {
  const made = new Follower({
    controls: {
      releases: async (after) => {
        if (!isThere) throw new PlatformError('unavailable', 'no control can be reached');
        return { rows: rows.filter(({ revision }) => revision > after), more: false, revision: newest };
      },
    },
    cache,
    fleet: () => ({ admit: () => admitting(), forget: () => {} }),
    complete: async (spec) => spec,
    elsewhere: () => elsewhere,
    onChange: () => {},
    onCaughtUp: () => {
      caughtUp += 1;
    },
    report: (message) => void reports.push(message),
  });
  made.changes((change) => changes.push(change));
  return made;
}

/** Stores an entry at the next revision, in place of the one before. */
function put(key: string, content: Released | null): void {
  newest += 1;
  rows = [...rows.filter((row) => row.key !== key), { key, revision: newest, content }];
}
function release(label: string, specId: string): void {
  const spec = { specId, label, files: [], artifact: `artifact-of-${specId}` } as unknown as DeploymentSpec;
  put(`label/${label}`, { kind: 'release', label, spec, rollout: null, rolloutSpec: null });
}
const told = (): readonly string[] =>
  changes.splice(0).map((change) => {
    if (change.kind === 'release') return `${change.label}=${change.spec.specId}`;
    if (change.kind === 'owner') return `owner ${change.owner.isSuspended}`;
    return change.kind === 'domain' ? `${change.domain}=${change.to}` : `${change.kind} ${change.label}`;
  });

test('follows changes, also of the counter alone, and says once when it has caught up', async () => {
  release('otter', 'v1');
  await follower.load();
  release('otter', 'v2');
  release('heron', 'v1');
  await follower.follow();
  expect(told()).toEqual(['otter=v2', 'heron=v1']);
  expect(caughtUp).toBe(1);
  // A write that another control has overtaken takes a number and stores no row.
  newest += 1;
  await follower.follow();
  expect(follower.revision).toBe(4);
  await follower.follow();
  expect(caughtUp).toBe(2);
});

test('a database that has gone back is read again: later changes are undone, and new ones are not missed', async () => {
  const suspended = { kind: 'owner', owner: { ownerId: 'u', isSuspended: true, callsMax: null } } as const;
  release('otter', 'v1');
  release('heron', 'v1');
  await follower.load();
  const before = { rows: [...rows], newest };
  release('otter', 'v2');
  release('egret', 'v1');
  put('owner/u', suspended as Released);
  put('domain/a.example', { kind: 'domain', domain: 'a.example', to: 'otter' });
  await follower.follow();
  told();
  expect(follower.revision).toBe(6);
  ({ rows, newest } = before);
  await follower.follow();
  expect([...told()].sort()).toEqual(['a.example=null', 'otter=v1', 'owner false', 'remove egret']);
  expect(follower.revision).toBe(2);
  release('otter', 'v3');
  await follower.follow();
  expect(told()).toEqual(['otter=v3']);
  const { entries, revision } = cache.read();
  expect([[...entries.keys()].sort(), revision]).toEqual([['label/heron', 'label/otter'], 3]);
});

test('what fails on the way back is made up for by the next question', async () => {
  release('otter', 'v1');
  await follower.load();
  const before = { rows: [...rows], newest };
  release('otter', 'v2');
  await follower.follow();
  told();
  ({ rows, newest } = before);
  admitting = () => Promise.reject(new PlatformError('unavailable', 'no control can be reached'));
  await expect(follower.follow()).rejects.toMatchObject({ code: 'unavailable' });
  admitting = async () => {};
  await follower.follow();
  expect(told()).toEqual(['otter=v1']);
});

test('a function that this node should hold stays where it was until its code can be had', async () => {
  const spec = { specId: 'v1', label: 'otter', handlerId: 'h', files: [], artifact: 'a' } as unknown as DeploymentSpec;
  const placed = { ...spec, placement: { replicas: 1, labels: {} } };
  put('label/otter', { kind: 'release', label: 'otter', spec: placed, rollout: null, rolloutSpec: null });
  elsewhere = { nodes: ['http://a:3003'], labels: '' };
  await follower.load();
  follower.decide();
  elsewhere = null;
  admitting = () => Promise.reject(new PlatformError('unavailable', 'no control can be reached'));
  await follower.place();
  expect([told(), follower.mustPlace, follower.labels]).toEqual([[], true, 0]);
  admitting = async () => {};
  await follower.place();
  expect([told(), follower.mustPlace, follower.labels]).toEqual([['otter=v1'], false, 1]);
});

test('an entry of a kind that only a newer control knows is refused: its label is not served, and nothing is guessed', async () => {
  release('otter', 'v1');
  release('heron', 'v1');
  await follower.load();
  put('label/otter', { kind: 'mirror', label: 'otter', of: 'heron' } as unknown as Released);
  put('weather/eu', { kind: 'weather', to: 'heron', domain: 'a.example' } as unknown as Released);
  release('heron', 'v2');
  await follower.follow();
  expect(told()).toEqual(['unserved otter', 'heron=v2']);
  expect(reports.map((text) => text.split(' ')[0])).toEqual(['label/otter', 'weather/eu']);
  // The same after a start, from a control and from the disk.
  for (const isThere of [true, false]) {
    const again = make(isThere);
    await again.load();
    expect(await again.current()).toMatchObject({
      ...{ known: [], domains: [], releases: [{ label: 'heron' }] },
      unserved: [{ label: 'otter', reason: 'a newer version of the platform has released it' }],
    });
  }
});
