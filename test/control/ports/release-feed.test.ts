/** What every version of the port ReleaseFeed promises. A second version is one more row of `versions`. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { LocalReleaseFeed } from '../../../src/control/deploy/release-feed.ts';
import type { DeploymentSpec } from '../../../src/protocol/messages.ts';
import type { ReleaseChange, ReleaseFeed, ReleaseState } from '../../../src/protocol/ports.ts';
import { controlParts, type SharedParts, sharedParts } from '../../support/cluster-parts.ts';
import { compileWat, deploymentOf, writer } from '../../support/fleet.ts';
import { clusterMissing } from '../../support/nats.ts';

interface Version {
  readonly name: string;
  /** Opens the feed of the station that releases, and one of a station that follows; `read` reads the database. */
  open(read: () => Promise<ReleaseState>): Promise<{
    readonly teller: ReleaseFeed;
    readonly follower: ReleaseFeed;
    readonly close?: () => Promise<void>;
  }>;
}

let shared: Promise<SharedParts> | null = null;
afterAll(async () => (await shared)?.close());

const versions: readonly Version[] = [
  {
    name: 'one control',
    async open(read) {
      const feed = new LocalReleaseFeed({ read });
      return { teller: feed, follower: feed };
    },
  },
  {
    name: 'several controls',
    async open(read) {
      shared ??= sharedParts();
      const parts = await shared;
      const [one, other] = [
        await controlParts(parts, { read }),
        await controlParts(parts, { read, db: await parts.store.open() }),
      ];
      return {
        teller: one.feed,
        follower: other.feed,
        async close() {
          await one.close();
          await other.close();
        },
      };
    },
  },
];
if (clusterMissing !== null) process.stderr.write(`skipped: releases told by several controls: ${clusterMissing}\n`);

let guest: Uint8Array;
beforeAll(async () => {
  guest = await compileWat(writer(''));
});

function specOf(handler: string, specId: string): DeploymentSpec {
  return deploymentOf(handler, guest, { specId }).spec;
}

describe.each(versions.slice(0, clusterMissing === null ? 2 : 1))('releases told by $name', (version) => {
  let stored: ReleaseState;
  let teller: ReleaseFeed;
  let follower: ReleaseFeed;
  const closing: (() => Promise<void>)[] = [];

  beforeEach(async () => {
    stored = { specs: [], releases: [], known: [], moved: [], domains: [], owners: [] };
    const opened = await version.open(async () => stored);
    ({ teller, follower } = opened);
    if (opened.close !== undefined) closing.push(opened.close);
  });
  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });

  /** What the database has once `specs` are released. */
  const storedWith = (...specs: readonly DeploymentSpec[]): ReleaseState => ({
    ...{ specs, known: ['new'], moved: [], domains: [], owners: [] },
    releases: specs.map(({ handler, specId }) => ({ label: handler, specId })),
  });

  /** The next `count` changes that the follower hears. */
  function next(count: number): Promise<readonly ReleaseChange[]> {
    const heard: ReleaseChange[] = [];
    return new Promise((resolve) => {
      const end = follower.changes((change) => {
        heard.push(change);
        if (heard.length < count) return;
        end();
        resolve(heard);
      });
    });
  }

  test('current reads everything; lookup answers with it', async () => {
    stored = storedWith(specOf('otter', 'otter.1'), specOf('heron', 'heron.1'));
    expect(follower.lookup('otter')).toBeNull();
    expect(await follower.current()).toEqual(stored);
    expect(['otter', 'heron', 'new', 'nobody'].map((label) => follower.lookup(label))).toEqual([
      'otter.1',
      'heron.1',
      null,
      null,
    ]);
  });

  test('changes come once, in the order in which they were made, each with a greater revision', async () => {
    const heard = next(5);
    const revisions = await Promise.all([
      teller.announce('otter'),
      teller.release(specOf('otter', 'otter.1')),
      teller.release(specOf('heron', 'heron.1')),
      teller.release(specOf('otter', 'otter.2')),
      teller.remove('heron'),
    ]);
    const changes = await heard;
    expect(changes.map(({ revision }) => revision)).toEqual(revisions);
    expect(revisions).toEqual([...new Set(revisions)].sort((a, b) => a - b));
    expect(changes.map(wordsOf)).toEqual([
      'announce otter',
      'release otter',
      'release heron',
      'release otter',
      'remove heron',
    ]);
    expect(changes[3]).toMatchObject({
      spec: { handler: 'otter', specId: 'otter.2', artifact: specOf('otter', 'x').artifact },
    });
    expect(follower.lookup('otter')).toBe('otter.2');
    expect(follower.lookup('heron')).toBeNull();
  });

  test('every follower hears every change, until it ends', async () => {
    const early: string[] = [];
    const end = follower.changes((change) => early.push(labelOf(change)));
    const both = next(1);
    await teller.announce('one');
    await both;
    end();
    const later = next(1);
    await teller.announce('two');
    await later;
    expect(early).toEqual(['one']);
  });

  test('a change that is made while current reads is not undone by what was read', async () => {
    stored = storedWith(specOf('otter', 'otter.1'), specOf('heron', 'heron.1'));
    const reading = follower.current();
    const heard = next(2);
    await teller.release(specOf('otter', 'otter.2'));
    await teller.remove('heron');
    await Promise.all([reading, heard]);
    expect(follower.lookup('otter')).toBe('otter.2');
    expect(follower.lookup('heron')).toBeNull();
  });

  test('current that fails says so, and may be asked again', async () => {
    const feeds = await version.open(async () => {
      if (stored.specs.length === 0) throw new Error('the database is away');
      return stored;
    });
    if (feeds.close !== undefined) closing.push(feeds.close);
    await expect(feeds.follower.current()).rejects.toThrow('the database is away');
    stored = storedWith(specOf('otter', 'otter.1'));
    expect(await feeds.follower.current()).toEqual(stored);
  });
});

function labelOf(change: ReleaseChange): string {
  if (change.kind === 'domain') return change.domain;
  return change.kind === 'owner' ? change.owner.ownerId : change.label;
}

function wordsOf(change: ReleaseChange): string {
  return `${change.kind} ${labelOf(change)}`;
}
