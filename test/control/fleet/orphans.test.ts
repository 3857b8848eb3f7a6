import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { call, endWithParent } from '../../support/fleet.ts';

interface Control {
  readonly child: ChildProcess;
  readonly controlPort: number;
  readonly url: string;
  readonly runPort: number;
  readonly pids: readonly number[];
  /** Texts of log lines that it was given, and how many Invocations. */
  readonly received: { readonly lines: string[]; invocations: number };
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
    spool?: string;
  } = {},
): Promise<Control> {
  const {
    platformId = 'p-1',
    bootId = 'b-1',
    controlPort = 0,
    runPort = 0,
    guest = 'cwa/hello.wasm',
    record,
    spool,
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
    ...(spool === undefined ? [] : [spool]),
  ];
  const child = spawn(process.execPath, ['--import', endWithParent, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  started.push(child);
  const received = { lines: [] as string[], invocations: 0 };
  const ready = Promise.withResolvers<Control>();
  const output = createInterface({ input: child.stdout as NodeJS.ReadableStream });
  output.on('line', (line) => {
    if (line.startsWith('{')) {
      const batch = JSON.parse(line) as { lines?: string[]; invocations?: number[] };
      received.lines.push(...(batch.lines ?? []));
      for (const count of batch.invocations ?? []) received.invocations += count;
      return;
    }
    const [word, control, run, pids = ''] = line.split(' ');
    if (word !== 'ready') return ready.reject(new Error(line));
    const all = pids.split(',').map(Number);
    for (const pid of all) runners.add(pid);
    ready.resolve({
      child,
      controlPort: Number(control),
      runPort: Number(run),
      url: `http://127.0.0.1:${run}/hello/`,
      pids: all,
      received,
    });
  });
  output.on('close', () => ready.reject(new Error('it ended without a word')));
  return ready.promise;
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
    child.kill('SIGINT');
    await once(child, 'exit');
  }
  for (const pid of runners) if (isAlive(pid)) process.kill(pid, 'SIGKILL');
  runners.clear();
});

async function end(control: Control, signal: NodeJS.Signals): Promise<void> {
  control.child.kill(signal);
  await once(control.child, 'exit');
}

const kill = (control: Control) => end(control, 'SIGKILL');

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

  it('of a data folder are left alone by a control with a copy of it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'trisiel-record-'));
    const record = join(folder, 'runners.json');
    const first = await startControl({ record });
    await kill(first);
    const copy = await mkdtemp(join(tmpdir(), 'trisiel-record-'));
    await cp(folder, copy, { recursive: true });
    // Its runners serve on another port, and it has waited for those that it takes for its own.
    await startControl({ bootId: 'b-2', record: join(copy, 'runners.json') });
    expect(first.pids.every(isAlive)).toBe(true);
    expect((await call(first.url)).status).toBe(200);
    await rm(folder, { recursive: true });
    await rm(copy, { recursive: true });
  });

  it('are no longer asked when the next control is ready', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'trisiel-record-'));
    const record = join(folder, 'runners.json');
    const first = await startControl({ record, guest: 'cwa/hello.wasm' });
    await kill(first);
    // Another answer than before, as after a push that the old runners know nothing of.
    const second = await startControl({
      bootId: 'b-2',
      controlPort: first.controlPort,
      runPort: first.runPort,
      guest: 'cwa/env.wasm',
      record,
    });
    const answers = await Promise.all(Array.from({ length: 40 }, () => call(second.url)));
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
    expect(answers[0]?.text).not.toMatch(/hello/i);
    await rm(folder, { recursive: true });
  });

  it.each(['SIGTERM', 'SIGKILL'] as const)('lose no log line and no count: %s', async (signal) => {
    const folder = await mkdtemp(join(tmpdir(), 'trisiel-record-'));
    const record = join(folder, 'runners.json');
    const first = await startControl({ record, guest: 'cwa/log.wasm' });
    const calls = 150;
    for (let i = 0; i < calls; i++) {
      // In the middle of batches on their way, and for a while without a control.
      if (i === 50) await end(first, signal);
      expect((await call(first.url)).status).toBe(200);
    }
    const second = await startControl({
      bootId: 'b-2',
      controlPort: first.controlPort,
      runPort: first.runPort,
      guest: 'cwa/log.wasm',
      record,
    });
    while (first.pids.some(isAlive)) await pause();
    const lines = first.received.lines.length + second.received.lines.length;
    const invocations = first.received.invocations + second.received.invocations;
    if (signal === 'SIGTERM') {
      const perCall = lines / calls;
      expect({ invocations, perCall }).toEqual({ invocations: calls, perCall: Math.trunc(perCall) });
    } else {
      // What was stored in the last moment, before control could say so, may come twice.
      expect(invocations).toBeGreaterThanOrEqual(calls);
      expect(lines).toBeGreaterThanOrEqual(calls * 5);
    }
    await rm(folder, { recursive: true });
  });

  it('leave lines in a file where no control takes them, and the next one stores them', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'trisiel-record-'));
    const files = { record: join(folder, 'runners.json'), spool: join(folder, 'spool') };
    const first = await startControl({ ...files, guest: 'cwa/log.wasm' });
    expect((await call(first.url)).status).toBe(200);
    while (first.received.lines.length === 0) await pause();
    await kill(first);
    const perCall = first.received.lines.length;
    for (let i = 0; i < 20; i++) expect((await call(first.url)).status).toBe(200);
    for (const pid of first.pids) process.kill(pid, 'SIGTERM');
    while (first.pids.some(isAlive)) await pause();
    const second = await startControl({ bootId: 'b-2', ...files, guest: 'cwa/log.wasm' });
    while (second.received.lines.length < 20 * perCall) await pause();
    // Those of the call before too, where its control was killed before the runner heard that they were stored.
    expect([20 * perCall, 21 * perCall]).toContain(second.received.lines.length);
    while ((await readdir(files.spool)).some((name) => name.startsWith('b-1'))) await pause();
    await rm(folder, { recursive: true });
  });

  it('answer 503 for functions that need control, with the time to try again', async () => {
    const first = await startControl({ guest: 'cwa/counter.wasm' });
    expect((await call(first.url)).text).toBe('1\n');
    await kill(first);
    const answer = await call(first.url);
    expect({ status: answer.status, retry: answer.headers['retry-after'] }).toEqual({ status: 503, retry: '1' });
    expect(JSON.parse(answer.text)).toMatchObject({ code: 'unavailable' });
  });

  it('end on a signal, which they leave to control as long as there is one', async () => {
    const first = await startControl();
    for (const pid of first.pids) for (const signal of ['SIGTERM', 'SIGINT'] as const) process.kill(pid, signal);
    expect((await call(first.url)).status).toBe(200);
    await kill(first);
    for (const pid of first.pids) process.kill(pid, 'SIGTERM');
    while (first.pids.some(isAlive)) await pause();
  });
});
