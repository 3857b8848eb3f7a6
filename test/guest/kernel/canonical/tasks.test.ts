/** Bounds of asynchronous calls between the parts of a component. */
import { expect, it } from 'vitest';
import { tasksMax, tasksOf } from '../../../../src/guest/kernel/canonical/async/tasks.ts';
import type { Process } from '../../../../src/guest/kernel/process.ts';

function makeTasks() {
  const held = { tasks: null };
  return tasksOf({ component: { of: () => held } } as unknown as Process);
}

it('are at most so many that have not ended', () => {
  const tasks = makeTasks();
  for (let n = 0; n < tasksMax; n += 1) tasks.begin(0, 1, false);
  expect(() => tasks.begin(0, 1, false)).toThrow(`more than ${tasksMax} asynchronous calls between parts`);
});

it('are found by the numbers that they were given, and by no others', () => {
  const tasks = makeTasks();
  const id = tasks.begin(0, 1, false);
  expect(tasks.of(id)).toMatchObject({ id });
  for (const other of [0, id + 1, -1]) expect(() => tasks.of(other)).toThrow(`there is no task ${other}`);
});
