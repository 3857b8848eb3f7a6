/** Messages of a runner that a guest has taken over: whatever they are, control goes on, and the runner ends. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { fleetLimits } from '../../../src/control/fleet/limits.ts';
import type { FleetOptions } from '../../../src/control/fleet/options.ts';
import { MIB } from '../../../src/protocol/limits.ts';
import { TestFleet } from '../../support/fleet.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trisiel-hostile-'));
  await mkdir(join(folder, 'src/bin'), { recursive: true });
  const program = `
    process.send({ kind: 'booted' });
    const { message, times, last } = JSON.parse(process.env.MESSAGE);
    for (let id = 1; id <= times; id += 1) process.send({ ...message, id });
    if (last !== undefined) process.send(last, () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 600_000));
    setInterval(() => {}, 1_000);`;
  await writeFile(join(folder, 'src/bin/runner.mjs'), program);
});
afterAll(() => rm(folder, { recursive: true }));

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

/**
 * Starts a fleet whose runner sends `message` `times` times, with ids from 1. With `last`, it sends that too and then
 * reads nothing any more.
 */
function hostileFleet(
  hostile: { readonly message: object; readonly times: number; readonly last?: object },
  options: Partial<FleetOptions> = {},
) {
  const fleet = new TestFleet({
    program: join(folder, 'src/bin/runner.mjs'),
    programFolder: `${folder}/`,
    env: { MESSAGE: JSON.stringify(hostile) },
    ...options,
  });
  const starting = fleet.start().catch(() => {});
  ends.push(async () => {
    for (const { pid } of fleet.runners) process.kill(pid, 'SIGKILL');
    await fleet.stop();
    await starting;
  });
  return fleet;
}

/** Makes a request that a runner of the tests sends. */
const request = (op: string, more: object = {}) => ({ kind: 'request', id: 0, request: { op, ...more } });

const endOf = (fleet: TestFleet) => fleet.until(() => fleet.events.find(({ kind }) => kind === 'runner_ended'));

test.each([
  ['usage without lists', { kind: 'usage', records: [], counts: null }],
  ['usage without lists', { kind: 'usage', records: [null], counts: [] }],
  ['logs without blocks', { kind: 'logs', blocks: {}, dropped: {}, batch: 1 }],
  ['logs without blocks', { kind: 'logs', blocks: [], dropped: null, batch: 1 }],
  ['logs without blocks', { kind: 'logs', blocks: [], dropped: {}, batch: 'first' }],
  ['logs without blocks', { kind: 'logs', blocks: [], dropped: {}, batch: -1 }],
  ['', { kind: 'request', id: 1, request: null }],
])('a message that cannot be read ends its runner: %s', async (reason, message) => {
  const fleet = hostileFleet({ message, times: 1 });
  expect(await endOf(fleet)).toMatchObject({
    reason: expect.stringContaining(`it sent a message that cannot be read: ${reason}`),
  });
});

test('more open requests than a runner can have end it', async () => {
  const fleet = hostileFleet(
    { message: request('kv.put'), times: fleetLimits.requests + 1 },
    { onRequest: () => new Promise(() => {}) },
  );
  expect(await endOf(fleet)).toMatchObject({ reason: expect.stringContaining('requests at once') });
});

test('Artifacts are read for a runner by turns, however many it asks for', async () => {
  let reads = 0;
  const last = Promise.withResolvers<void>();
  hostileFleet(
    { message: request('artifact.get', { name: 'any' }), times: 50, last: request('kv.delete') },
    {
      readArtifact: () => {
        reads += 1;
        return new Promise(() => {});
      },
      onRequest: async () => {
        last.resolve();
        return null;
      },
    },
  );
  await last.promise;
  expect(reads).toBe(fleetLimits.artifactsUnderway);
});

test('nothing more is read for a runner that does not take its answers', async () => {
  let reads = 0;
  const last = Promise.withResolvers<void>();
  hostileFleet(
    { message: request('kv.get'), times: 500, last: request('kv.delete') },
    {
      onRequest: async ({ op }) => {
        if (op === 'kv.delete') last.resolve();
        else reads += 1;
        return new Uint8Array(MIB);
      },
    },
  );
  await last.promise;
  // Beyond those underway, what fits into the channel itself.
  expect(reads).toBeGreaterThanOrEqual(fleetLimits.readsUnderway);
  expect(reads).toBeLessThan(2 * fleetLimits.readsUnderway);
});
