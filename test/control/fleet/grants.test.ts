/** What a runner may read, should a guest break out of it. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
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

it("a runner reads the program's source and packages, and nothing beside them", async () => {
  const paths = ['src/bin/runner.ts', 'node_modules/undici/package.json', 'data-of-the-grants-test/env.key', '.git'];
  const all = [...paths.map((path) => join(root, path)), '/etc/passwd', root];
  const probe = `data:text/javascript,${encodeURIComponent(
    `console.error('reads ' + JSON.stringify(${JSON.stringify(all)}.filter((path) => process.permission.has('fs.read', path))));`,
  )}`;
  const said = await new Promise<string>((resolve) => {
    const runner = new RunnerProcess({
      runnerId: 'r1',
      program: join(root, 'src/bin/runner.ts'),
      programFolder: root,
      env: {},
      nodeFlags: ['--import', probe],
      onMessage: () => {},
      onStderr: (line) => {
        if (!line.startsWith('reads ')) return;
        runner.kill('SIGKILL');
        resolve(line);
      },
    });
  });
  expect(said).toBe(`reads ${JSON.stringify(all.slice(0, 2))}`);
});
