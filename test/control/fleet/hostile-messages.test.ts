/** Messages of a runner that a guest has taken over: whatever they are, control goes on, and the runner ends. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { RunnerProcess } from '../../../src/control/fleet/runner-process.ts';

it('a message that cannot be read ends its runner', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'trisiel-hostile-'));
  await mkdir(join(folder, 'src/bin'), { recursive: true });
  const program = join(folder, 'src/bin/runner.mjs');
  await writeFile(program, "process.send({ kind: 'usage', counts: null }); setInterval(() => {}, 1_000);");
  const runner = new RunnerProcess({
    ...{ runnerId: 'hostile', program, programFolder: `${folder}/`, env: {}, nodeFlags: [] },
    onMessage: () => {
      throw new TypeError('counts are null');
    },
    onStderr: () => {},
  });
  expect(await runner.ended).toMatchObject({
    signal: 'SIGKILL',
    message: 'it sent a message that cannot be read: counts are null',
  });
  await rm(folder, { recursive: true });
});
