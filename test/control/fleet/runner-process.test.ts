/** What waits for a runner's end is told, and keeps nothing for as long as the runner lives. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { RunnerProcess } from '../../../src/control/fleet/runner-process.ts';
import { root } from '../../support/fleet.ts';

let runner: RunnerProcess;

beforeEach(() => {
  runner = new RunnerProcess({
    runnerId: 'r1',
    program: `${root}/src/bin/runner.ts`,
    programFolder: root,
    env: {},
    nodeFlags: [],
    onMessage: () => {},
    onStderr: () => {},
  });
});

afterEach(async () => {
  runner.kill('SIGKILL');
  await runner.ended;
});

it('work that waits for a runner that ends is told so, and so is work that comes later', async () => {
  const waiting = runner.unlessEnded(new Promise(() => {}));
  runner.kill('SIGKILL');
  expect(await waiting).toBe('ended');
  await runner.ended;
  expect(await runner.unlessEnded(new Promise(() => {}))).toBe('ended');
});

it('work leaves nothing with the promise of the end, which lives as long as the runner', async () => {
  const reactions = vi.spyOn(runner.ended, 'then');
  expect(await runner.unlessEnded(Promise.resolve(1))).toBe(1);
  await runner.sync();
  expect(reactions).not.toHaveBeenCalled();
});
