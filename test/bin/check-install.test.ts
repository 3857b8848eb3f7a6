import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '../..');

test('before npm ci, npm run demo and npm start say so in one line', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'trisiel-uninstalled-'));
  try {
    await mkdir(join(folder, 'bin'));
    for (const file of ['package.json', 'bin/check-install.js']) await cp(join(root, file), join(folder, file));
    for (const script of ['demo', 'start']) {
      const { status, stderr } = await npmRun(folder, script);
      expect(status).not.toBe(0);
      expect(stderr).toContain('trisiel: the dependencies are not installed; run this first: npm ci\n');
      expect(stderr).not.toContain('    at ');
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});

function npmRun(cwd: string, script: string): Promise<{ status: number | null; stderr: string }> {
  return new Promise((resolve) => {
    const child = execFile('npm', ['run', script], { cwd }, (_error, _stdout, stderr) =>
      resolve({ status: child.exitCode, stderr }),
    );
  });
}
