/**
 * The demo of a cluster, as docs/cluster.md names it: it plays to its end, and no call fails while processes are
 * killed.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { whyNoNats } from '../../src/bin/nats-server.ts';
import { postgresMissing } from '../../src/bin/postgres-server.ts';

const root = join(import.meta.dirname, '../..');
const missing = postgresMissing ?? whyNoNats();
if (missing !== null) process.stderr.write(`skipped: npm run demo:cluster: ${missing}\n`);

it.skipIf(missing !== null)(
  'npm run demo:cluster ends with 0 when no call has failed and no line is lost',
  async () => {
    const { status, printed } = await new Promise<{ status: number; printed: string }>((resolve) =>
      execFile('npm', ['run', '--silent', 'demo:cluster'], { cwd: root }, (error, stdout, stderr) =>
        resolve({ status: error === null ? 0 : Number(error.code ?? 1), printed: `${stdout}${stderr}` }),
      ),
    );
    expect(status, printed).toBe(0);
    expect(printed).toMatch(/^\d+ calls answered, 0 failed$/m);
    expect(printed).toContain('none twice');
  },
);
