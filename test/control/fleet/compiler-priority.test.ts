/** Compilation in the background must not delay the event loop of the runner that it is for. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { getPriority } from 'node:os';
import { afterEach, describe, expect, it } from 'vitest';
import { TestFleet } from '../../support/fleet.ts';

let fleet: TestFleet | null = null;
afterEach(() => fleet?.stop());

describe.skipIf(!existsSync('/proc/self/task'))('the threads of a runner (skipped without proc(5))', () => {
  it('that compile have a lower priority than its event loop', async () => {
    fleet = new TestFleet();
    await fleet.start();
    const pid = fleet.runners[0]!.pid!;
    const priorities = readdirSync(`/proc/${pid}/task`)
      .filter((task) => readFileSync(`/proc/${pid}/task/${task}/comm`, 'latin1').includes('V8Worker'))
      .map((task) => getPriority(Number(task)));
    expect(priorities.length).toBeGreaterThan(0);
    for (const priority of priorities) expect(priority).toBeGreaterThan(getPriority(pid));
  });
});
