/** Messages of a runner that a guest has taken over: whatever they are, control goes on, and the runner ends. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestFleet } from '../../support/fleet.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trisiel-hostile-'));
  await mkdir(join(folder, 'src/bin'), { recursive: true });
  const program = `process.send({ kind: 'booted' }); process.send(JSON.parse(process.env.MESSAGE)); setInterval(() => {}, 1_000);`;
  await writeFile(join(folder, 'src/bin/runner.mjs'), program);
});
afterAll(() => rm(folder, { recursive: true }));

test.each([
  ['usage without lists', { kind: 'usage', records: [], counts: null }],
  ['usage without lists', { kind: 'usage', records: [null], counts: [] }],
  ['logs without blocks', { kind: 'logs', blocks: {}, dropped: {}, batch: 1 }],
  ['logs without blocks', { kind: 'logs', blocks: [], dropped: null, batch: 1 }],
  ['logs without blocks', { kind: 'logs', blocks: [], dropped: {}, batch: 'first' }],
  ['logs without blocks', { kind: 'logs', blocks: [], dropped: {}, batch: -1 }],
  ['', { kind: 'request', id: 1, request: null }],
])('a message that cannot be read ends its runner: %s', async (reason, message) => {
  const fleet = new TestFleet({
    program: join(folder, 'src/bin/runner.mjs'),
    programFolder: `${folder}/`,
    env: { MESSAGE: JSON.stringify(message) },
  });
  const starting = fleet.start().catch(() => {});
  const ended = await fleet.until(() => fleet.events.find(({ kind }) => kind === 'runner_ended'));
  expect(ended).toMatchObject({ reason: expect.stringContaining(`it sent a message that cannot be read: ${reason}`) });
  await fleet.stop();
  await starting;
});
