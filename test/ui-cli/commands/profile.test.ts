import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { beforeAttempts } from '../../support/attempts.ts';
import { removeTemporaryFolders, temporaryFolder } from '../../support/e2e.ts';
import { type Control, Home, startControl } from '../../support/ui-cli.ts';

let control: Control;
let home: Home;
let folder: string;
let variables: Record<string, string>;
beforeAttempts(
  async () => {
    control = await startControl();
    home = await Home.make(control);
    folder = await temporaryFolder();
    variables = { WASMCLOUD_TOKEN: await control.user('ada') };
    await control.handler('swift-otter', 'ada');
  },
  () => control.close(),
);
afterAll(async () => {
  await control.close();
  await removeTemporaryFolders();
});

const profile = (...words: string[]) => home.wasmcloud(['profile', ...words], { variables });

test('a profile shows the functions under their callers, with their share of the gas', async () => {
  const { status, stdout, stderr } = await profile('swift-otter', '--seconds', '1');
  expect(status).toBe(0);
  expect(stdout).toMatch(/100\.0 % +33\.3 % +main\n.*66\.7 % +66\.7 % +parse\n/);
  expect(stderr).toContain('3 gas in 1 call');
  expect(JSON.parse((await profile('swift-otter', '--seconds', '1', '--json')).stdout)).toMatchObject({
    ...{ gas: 3, calls: 1, functions: ['main', 'parse'] },
  });
});

test('it is written as a flame graph or as folded stacks, by the name of the file', async () => {
  const svg = join(folder, 'gas.svg');
  const folded = join(folder, 'gas.folded');
  for (const file of [svg, folded]) expect((await profile('swift-otter', '--output', file)).stderr).toContain(file);
  expect(await readFile(folded, 'utf8')).toBe('main 1\nmain;parse 2\n');
  const graph = await readFile(svg, 'utf8');
  expect(graph).toMatch(/^(?:<\?xml[^>]*>\s*)?<svg.*parse.*<\/svg>\s*$/s);
  // One file that needs nothing else.
  expect(graph.replaceAll('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:|href|@import|url\(/);
});

test.each(['0', '31', '1.5', 'long'])('--seconds %s is refused before the server is asked', async (seconds) => {
  const { status, stderr } = await profile('swift-otter', '--seconds', seconds);
  expect(status).not.toBe(0);
  expect(stderr).toContain('seconds are a whole number from 1 to 30');
});
