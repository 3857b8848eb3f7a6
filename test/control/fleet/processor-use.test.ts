import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { processorUse } from '../../../src/control/fleet/processor-use.ts';

const children: ChildProcess[] = [];
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
});

/** Starts Node with a program that prints a line when it is where the test wants it. */
async function started(program: string): Promise<number> {
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  await once(child.stdout, 'data');
  return child.pid ?? 0;
}

const wants = (pid: number) => processorUse(pid)?.wantsToRun;
/** For states that a process reaches a moment after its line. */
const soon = (check: () => void) => vi.waitFor(check, { timeout: 60_000, interval: 20 });

describe.skipIf(process.platform !== 'linux')('a process wants to run', () => {
  it('while its main thread computes', async () => {
    const pid = await started('console.log(1); setImmediate(() => { for (;;); })');
    await soon(() => expect(wants(pid)).toBe(true));
  });

  it('while another thread computes and its main thread waits', async () => {
    const pid = await started(`const { Worker } = require('node:worker_threads');
      new Worker('require("node:worker_threads").parentPort.postMessage(1); for (;;);', { eval: true })
        .on('message', () => console.log(1));`);
    for (let look = 0; look < 100; look++) expect(wants(pid)).toBe(true);
  });

  it('not while it sleeps, or has been stopped', async () => {
    const sleeps = await started('console.log(1); setInterval(() => {}, 1e6)');
    await soon(() => expect(wants(sleeps)).toBe(false));
    const stopped = await started('console.log(1); setImmediate(() => { for (;;); })');
    process.kill(stopped, 'SIGSTOP');
    await soon(() => expect(wants(stopped)).toBe(false));
  });

  it('nobody knows when it has ended', () => {
    expect(processorUse(2 ** 30)).toBeNull();
  });
});
