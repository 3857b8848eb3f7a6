/** The launcher, started by whatever Node somebody has. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { removeTemporaryFolders, temporaryFolder } from '../support/e2e.ts';

const launcher = fileURLToPath(new URL('../../bin/trisiel.js', import.meta.url));
afterAll(removeTemporaryFolders);

describe('trisiel', () => {
  it('serve starts the platform, and passes on SIGTERM and the exit status', async () => {
    const child = spawn(process.execPath, [launcher, 'serve'], {
      env: {
        ...process.env,
        TRISIEL_DATA: await temporaryFolder(),
        TRISIEL_PORT: '0',
        TRISIEL_RUN_PORT: '0',
        TRISIEL_RUNNERS: '1',
        TRISIEL_GRACE_S: '0',
      },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const [line] = await once(createInterface({ input: child.stdout }), 'line');
    expect(line).toMatch(/^ready control=http:\/\/127\.0\.0\.1:\d+ run=http:\/\/127\.0\.0\.1:\d+$/);
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([0, null]);
  });

  it.each([
    [[], 0],
    [['--help'], 0],
    [['srve'], 1],
  ])('%j prints how it is used', async (args, status) => {
    const result = await new Promise((resolve) => {
      execFile(process.execPath, [launcher, ...args], (error, stdout, stderr) =>
        resolve({ status: error === null ? 0 : error.code, text: `${stdout}${stderr}` }),
      );
    });
    expect(result).toEqual({ status, text: expect.stringContaining('Usage: trisiel serve') });
  });
});
