import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CommandPlace, commandName, typable } from '../../ui-cli/command-name.ts';

let home: string;
let place: CommandPlace;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'wasmcloud-name-'));
  const launcher = join(home, 'trisiel', 'bin', 'wasmcloud.js');
  const linked = join(home, 'on-path');
  const npm = join(home, 'trisiel', 'node_modules', '.bin');
  for (const folder of [join(home, 'trisiel', 'bin'), linked, npm]) await mkdir(folder, { recursive: true });
  await writeFile(launcher, '');
  await chmod(launcher, 0o755);
  for (const folder of [linked, npm]) await symlink(launcher, join(folder, 'wasmcloud'));
  place = { launcher, path: `/usr/bin:${npm}`, throughNpx: true, folder: '/somewhere', home };
});
afterAll(() => rm(home, { recursive: true }));

test('on PATH it is wasmcloud; folders that npm put there do not count', () => {
  expect(commandName({ ...place, path: `/usr/bin:${join(home, 'on-path')}` })).toBe('wasmcloud');
  expect(commandName(place)).not.toBe('wasmcloud');
});

test('after npx it is npx with the folder of the program, which can be left out in that folder', () => {
  expect(commandName(place)).toBe('npx --prefix ~/trisiel wasmcloud');
  expect(commandName({ ...place, home: '' })).toBe(`npx --prefix ${join(home, 'trisiel')} wasmcloud`);
  expect(commandName({ ...place, folder: join(home, 'trisiel') })).toBe('npx wasmcloud');
});

test('started by its path, it is that path, quoted where a shell would split it', () => {
  expect(commandName({ ...place, throughNpx: false })).toBe('~/trisiel/bin/wasmcloud.js');
  const launcher = "/srv/my apps/it's/bin/wasmcloud.js";
  expect(commandName({ ...place, throughNpx: false, launcher })).toBe("'/srv/my apps/it'\\''s/bin/wasmcloud.js'");
});

test.each([
  ['hint: log in: wasmcloud login', 'hint: log in: npx wasmcloud login'],
  ['undo with wasmcloud rollback alpha v1', 'undo with npx wasmcloud rollback alpha v1'],
  ['wasmcloud create, then git push wasmcloud main', 'npx wasmcloud create, then git push wasmcloud main'],
  ['git remote add wasmcloud http://x/logs.git', 'git remote add wasmcloud http://x/logs.git'],
  ['this wasmcloud has the same version', 'this wasmcloud has the same version'],
])('in %j the command becomes typable', (text, expected) => {
  expect(typable(text, 'npx wasmcloud')).toBe(expected);
});
