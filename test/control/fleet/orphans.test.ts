import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { call } from '../../support/fleet.ts';

interface Control {
  readonly child: ChildProcess;
  readonly controlPort: number;
  readonly url: string;
  readonly runPort: number;
  readonly pids: readonly number[];
}

const started: ChildProcess[] = [];
const runners = new Set<number>();

/** Starts a control; rejects with what it says when it cannot start. */
async function startControl(
  options: {
    platformId?: string;
    bootId?: string;
    controlPort?: number;
    runPort?: number;
    guest?: string;
    record?: string;
  } = {},
): Promise<Control> {
  const {
    platformId = 'p-1',
    bootId = 'b-1',
    controlPort = 0,
    runPort = 0,
    guest = 'cwa/hello.wasm',
    record,
  } = options;
  const program = fileURLToPath(new URL('../../support/control-child.ts', import.meta.url));
  const args = [
    program,
    platformId,
    bootId,
    String(controlPort),
    String(runPort),
    guest,
    ...(record === undefined ? [] : [record]),
  ];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  started.push(child);
  for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
    const [word, control, run, pids = ''] = line.split(' ');
    if (word !== 'ready') throw new Error(line);
    const all = pids.split(',').map(Number);
    for (const pid of all) runners.add(pid);
    return {
      child,
      controlPort: Number(control),
      runPort: Number(run),
      url: `http://127.0.0.1:${run}/hello/`,
      pids: all,
    };
  }
  throw new Error('it ended without a word');
}

/** Leaves the processor to those under test. */
const pause = () => new Promise((resolve) => setTimeout(resolve, 5));

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

afterEach(async () => {
  for (const child of started.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
  for (const pid of runners) if (isAlive(pid)) process.kill(pid, 'SIGKILL');
  runners.clear();
});

async function kill(control: Control): Promise<void> {
  control.child.kill('SIGKILL');
  await once(control.child, 'exit');
}

describe('runners whose control has been killed', () => {
  it('serve on without it, and hand over to the runners of the next one, where every request is answered', async () => {
    const first = await startControl();
    await kill(first);
    for (let i = 0; i < 20; i++) expect((await call(first.url)).status).toBe(200);

    const statuses = new Map<number | string, number>();
    let going = true;
    const load = Promise.all(
      Array.from({ length: 2 }, async () => {
        while (going) {
          const status = await call(first.url).then(
            (answer) => answer.status,
            (error: Error) => error.message,
          );
          statuses.set(status, (statuses.get(status) ?? 0) + 1);
          await pause();
        }
      }),
    );
    const second = await startControl({
      bootId: 'b-2',
      controlPort: first.controlPort,
      runPort: first.runPort,
    });
    while (first.pids.some(isAlive)) {
      await call(second.url);
      await pause();
    }
    going = false;
    await load;
    // A connection that reaches a listener in the microseconds in which it is closed is reset by the
    // kernel: no listener of Linux can be closed without that. Anything else would be our mistake.
    const reset = statuses.get('read ECONNRESET') ?? 0;
    expect(reset).toBeLessThanOrEqual(2);
    expect([...statuses.keys()].filter((status) => status !== 'read ECONNRESET')).toEqual([200]);
    expect(second.pids.every(isAlive)).toBe(true);
  });

  it('notice new runners on their port even where control has moved', async () => {
    const first = await startControl();
    await kill(first);
    const second = await startControl({ bootId: 'b-2', runPort: first.runPort });
    while (first.pids.some(isAlive)) await pause();
    expect((await call(second.url)).status).toBe(200);
  });

  it('stay when a control of another data folder comes, which is told who has the port', async () => {
    const first = await startControl();
    await kill(first);
    await expect(startControl({ platformId: 'p-2', bootId: 'b-2', runPort: first.runPort })).rejects.toThrow(
      /port \d+ on 127\.0\.0\.1 is in use by runners of another Trisiel$/,
    );
    expect((await call(first.url)).status).toBe(200);
  });

  it('are killed by the next one where they hang', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'trisiel-record-'));
    const record = join(folder, 'runners.json');
    const first = await startControl({ record });
    await kill(first);
    for (const pid of first.pids) process.kill(pid, 'SIGSTOP');
    // Another port: nobody answers on the old one.
    const second = await startControl({ bootId: 'b-2', record });
    while (first.pids.some(isAlive)) await pause();
    expect(second.pids.every(isAlive)).toBe(true);
    await rm(folder, { recursive: true });
  });
});
