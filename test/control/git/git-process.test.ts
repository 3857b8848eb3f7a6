/** One git process: how long it may take, and how much of what it says is kept. A program of ours stands for git. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { getPriority } from 'node:os';
import { expect, it } from 'vitest';
import { lowerProcesses } from '../../../src/control/git/git-priority.ts';
import { GitProcess } from '../../../src/control/git/git-process.ts';

const limits = { operationMs: 600_000, longMs: 600_000, killMs: 10, stderrBytes: 5_000 };
const run = (program: string) => spawn(process.execPath, ['-e', program], { stdio: ['pipe', 'pipe', 'pipe'] });

it('keeps the beginning of standard error, however much there is', async () => {
  const git = new GitProcess(
    run("process.stderr.write('first '); for (let n = 0; n < 100; n += 1) process.stderr.write('x'.repeat(9_000));"),
    limits,
  );
  const { status, stderr } = await git.closed;
  expect(status).toBe(0);
  expect(stderr).toHaveLength(5_000);
  expect(stderr.startsWith('first x')).toBe(true);
});

it('ends after the time of an operation, also where it does not hear the first signal', async () => {
  const deaf = "process.on('SIGTERM', () => {}); setInterval(() => {}, 1_000);";
  const git = new GitProcess(run(deaf), { ...limits, operationMs: 300 });
  expect(await git.closed).toMatchObject({ started: true, status: null });
});

it('gets a lower priority when it takes long', async () => {
  const git = new GitProcess(run(untilLowered()), { ...limits, longMs: 1 });
  expect(await git.closed).toMatchObject({ status: 0 });
});

it('a lower priority is that of its children too', async () => {
  const parent = `
    const child = require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(untilLowered())}]);
    child.on('exit', (status) => process.exit(status));
    child.stdout.on('data', (text) => process.stdout.write(text));`;
  const child = run(parent);
  const ended = once(child, 'exit');
  await once(child.stdout, 'data');
  lowerProcesses(child.pid ?? 0);
  expect(await ended).toEqual([0, null]);
});

/** Returns a program that says that it has begun, and ends once its priority is lower than that of this process. */
function untilLowered(): string {
  return `console.log('begun'); setInterval(() => require('node:os').getPriority() > ${getPriority()} && process.exit(0), 10);`;
}
