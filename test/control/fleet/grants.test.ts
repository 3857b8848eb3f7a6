/** What a runner may read, should a guest break out of it. */
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { RunnerProcess } from '../../../src/control/fleet/runner-process.ts';
import { root } from '../../support/fleet.ts';

/** Where the data folder lies by default; another name, so that no real one is touched. */
const data = join(root, 'data-of-the-grants-test');
beforeAll(async () => {
  await mkdir(data);
  await writeFile(join(data, 'env.key'), 'secret');
});
afterAll(() => rm(data, { recursive: true }));

/** Returns which of `paths` a runner may read whose program is in `programFolder`, as JSON. */
function readBy(programFolder: string, paths: readonly string[]): Promise<string> {
  const probe = `data:text/javascript,${encodeURIComponent(
    `console.error('reads ' + JSON.stringify(${JSON.stringify(paths)}.filter((path) => process.permission.has('fs.read', path))));`,
  )}`;
  return new Promise<string>((resolve) => {
    const runner = new RunnerProcess({
      runnerId: 'r1',
      program: join(programFolder, 'src/bin/runner.ts'),
      programFolder,
      env: {},
      nodeFlags: ['--import', probe],
      onMessage: () => {},
      onStderr: (line) => {
        if (!line.startsWith('reads ')) return;
        runner.kill('SIGKILL');
        resolve(line.slice('reads '.length));
      },
    });
  });
}

it("a runner reads the program's source and packages, and nothing beside them", async () => {
  const paths = ['src/bin/runner.ts', 'node_modules/undici/package.json', 'data-of-the-grants-test/env.key', '.git'];
  const all = [...paths.map((path) => join(root, path)), '/etc/passwd', root];
  expect(await readBy(root, all)).toBe(JSON.stringify(all.slice(0, 2)));
});

it('packages that are a link to another folder are read there, and nothing beside them', async () => {
  const program = join(data, 'program/');
  for (const folder of ['program/src/bin', 'elsewhere/node_modules/koa'])
    await mkdir(join(data, folder), { recursive: true });
  await symlink('../elsewhere/node_modules', join(program, 'node_modules'));
  const there = join(data, 'elsewhere/node_modules/koa');
  expect(await readBy(program, [there, join(data, 'elsewhere'), join(data, 'env.key')])).toBe(JSON.stringify([there]));
});
