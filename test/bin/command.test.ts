/** What commands of operators refuse before they do anything. */
import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { root } from '../support/fleet.ts';

it.each([
  [['src/bin/doctor.ts', 'extra'], 'it takes no file'],
  [['src/bin/restore.ts'], 'name one FILE'],
  [['src/bin/restore.ts', 'one.tar', 'two.tar'], 'name one FILE'],
])('%s: %s', (args, words) => {
  const { status, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
  expect(stderr).toContain(words);
  expect(status).toBe(2);
});
