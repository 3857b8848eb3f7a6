/** Load and limits of one runner: admission, time slices, deadlines. */
import { Agent } from 'node:http';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { costs } from '../../../src/guest/wasm/meter/costs.ts';
import { runGas } from '../../../src/guest/wasm/meter/loop-plan.ts';
import { type Answer, call, deploymentOf, fixture, TestFleet, writer } from '../../support/fleet.ts';
import { cwaGuest } from '../../support/wat.ts';

let fleet: TestFleet;

const start = async (options: ConstructorParameters<typeof TestFleet>[0] = {}) => {
  fleet = new TestFleet(options);
  await fleet.start();
};
afterEach(() => fleet.stop());

/** Limits of guests that run until their clients go. */
const patient = { limits: { timeoutMs: 600_000 } };

const codeOf = (text: string) => (text.startsWith('{') ? (JSON.parse(text) as { code: string }).code : 'ok');

describe('a runner', () => {
  it('answers 503 with Retry-After where its memory is full, and goes on afterwards', async () => {
    // Room for eight guests of 16 pages.
    await start({ poolBytes: 9 * 1024 * 1024 });
    const waiting = cwaGuest({ pages: '16', body: '(call $sleep (i32.const 1000000000))' });
    await fleet.deployWat('waiting', waiting, patient);
    await fleet.deployWat('brief', cwaGuest({ pages: '16', body: '' }));
    const agent = new Agent();
    const refused: Answer[] = [];
    const calls = Array.from({ length: 30 }, () =>
      call(`${fleet.url}/waiting/`, { agent }).then(
        (answer) => void refused.push(answer),
        () => {},
      ),
    );
    await expect.poll(() => refused.length).toBe(22);
    await inFlight((count) => count === 8);
    expect(refused.map(({ text }) => codeOf(text))).toEqual(Array(22).fill('overloaded'));
    expect(refused[0]?.headers['retry-after']).toBe('1');
    agent.destroy();
    await Promise.all(calls);
    await inFlight((count) => count === 0);
    expect((await call(`${fleet.url}/brief/`)).status).toBe(200);
  });

  it('takes back memory from the guest that has grown most when it runs out', async () => {
    await start({ poolBytes: 64 * 1024 * 1024 });
    await fleet.deployWat('hello', writer('hello'));
    await fleet.deployWat(
      'glutton',
      cwaGuest({ pages: '1', body: '(drop (memory.grow (i32.const 1500))) (call $sleep (i32.const 1000000000))' }),
      patient,
    );
    const answer = await call(`${fleet.url}/glutton/`);
    expect(codeOf(answer.text)).toBe('overloaded');
    const line = await fleet.until(() => fleet.lines.find(({ handler }) => handler === 'glutton'));
    expect(line.text).toMatch(/memory is full/);
    expect((await call(`${fleet.url}/hello/`)).text).toBe('hello');
  });

  it('has 2,000 invocations wait at once while another handler answers, and ends them when their clients go', async () => {
    await start();
    await fleet.deployWat('hello', writer('hello'));
    await fleet.deploy(deploymentOf('sleeper', await fixture('cwa/sleep.wasm'), patient));
    const sockets = Array.from({ length: 2_000 }, () => {
      const socket = connect(fleet.fleet.port, '127.0.0.1');
      socket.on('error', () => {});
      socket.write('GET /sleeper/ HTTP/1.1\r\nHost: localhost\r\n\r\n');
      return socket;
    });
    await inFlight((count) => count === 2_000);
    for (let i = 0; i < 20; i++) expect((await call(`${fleet.url}/hello/`)).text).toBe('hello');
    for (const socket of sockets) socket.destroy();
    await inFlight((count) => count === 0);
    const sum = (field: 'invocations' | 'failures') => fleet.counts.reduce((all, count) => all + count[field], 0);
    await fleet.until(() => (sum('invocations') === 2_020 ? true : undefined));
    expect(sum('failures')).toBe(0);
    expect(fleet.records.find(({ handler }) => handler === 'sleeper')?.outcome).toBe('aborted');
  });
});

describe('guests that compute without end', () => {
  it('leave the thread to others, between handlers and within one', async () => {
    await start();
    await fleet.deployWat('hello', writer('hello'));
    await fleet.deploy(
      deploymentOf('loop', await fixture('cwa/spin.wasm'), { limits: { gas: 1e15, timeoutMs: 600_000 } }),
    );
    const endless = new Agent();
    const loops = Array.from({ length: 8 }, () => call(`${fleet.url}/loop/`, { agent: endless }).catch(() => null));
    await inFlight((count) => count === 8);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (let n = 0; n < 100; n += 1) expect((await call(`${fleet.url}/hello/`, { agent })).text).toBe('hello');
    await inFlight((count) => count === 8);
    agent.destroy();
    endless.destroy();
    expect(await Promise.all(loops)).toEqual(Array(8).fill(null));
    await inFlight((count) => count === 0);
  });

  it('are stopped by their gas, exactly, wherever the slices end', async () => {
    await start();
    await fleet.deploy(deploymentOf('loop', await fixture('cwa/spin.wasm'), { limits: { gas: 50_000_001 } }));
    const answers = await Promise.all(Array.from({ length: 6 }, () => call(`${fleet.url}/loop/`)));
    expect(answers.map(({ text }) => codeOf(text))).toEqual(Array(6).fill('out_of_gas'));
    const records = await fleet.until(() => (fleet.records.length === 6 ? fleet.records : undefined));
    expect(new Set(records.map(({ gas }) => gas)).size).toBe(1);
    expect(records[0]?.gas).toBeGreaterThan(50_000_000);
    // At the end of the loop's run.
    expect(records[0]?.gas).toBeLessThan(50_000_020 + runGas);
  });
});

describe('usage', () => {
  beforeEach(() => start());

  it('is counted exactly, and recorded for whatever failed or logged', async () => {
    await fleet.deployWat('hello', writer('hello'));
    await fleet.deploy(deploymentOf('trap', await fixture('cwa/trap.wasm')));
    await fleet.deploy(deploymentOf('log', await fixture('cwa/log.wasm')));
    const agent = new Agent({ keepAlive: true, maxSockets: 8 });
    await Promise.all(
      Array.from({ length: 600 }, (_, i) => call(`${fleet.url}/${['hello', 'trap', 'log'][i % 3]}/`, { agent })),
    );
    const total = (handler: string) =>
      fleet.counts.filter((count) => count.handler === handler).reduce((sum, { invocations }) => sum + invocations, 0);
    await fleet.until(() => (['hello', 'trap', 'log'].every((name) => total(name) === 200) ? true : undefined));
    const failures = fleet.counts
      .filter(({ handler }) => handler === 'trap')
      .reduce((sum, { failures }) => sum + failures, 0);
    expect(failures).toBe(200);
    for (const name of ['trap', 'log']) {
      const records = fleet.records.filter(({ handler }) => handler === name);
      expect(new Set(records.map(({ id }) => id)).size, name).toBe(200);
    }
    const record = fleet.records.find(({ handler }) => handler === 'log');
    expect(record?.syscalls.log_write?.count).toBe(3);
    expect(record?.logLines).toBeGreaterThanOrEqual(5);
    agent.destroy();
  });

  it('has the greatest memory of each invocation, its gas, bytes and system calls', async () => {
    await fleet.deployWat(
      'grows',
      cwaGuest({
        pages: '2',
        data: ['(data (i32.const 0) "A: b\\n\\nfour")'],
        body: `(drop (memory.grow (i32.const 3)))
          (drop (call $write (call $stdout) (i32.const 0) (i32.const 10)))`,
      }),
    );
    expect((await call(`${fleet.url}/grows/`)).text).toBe('four');
    const record = await fleet.until(() => fleet.records.find(({ handler }) => handler === 'grows'));
    expect(record).toMatchObject({ outcome: 'ok', status: 200, memoryPages: 5, bytesOut: 4 });
    expect(record.gas).toBeGreaterThan(3 * costs.memoryPage);
    expect(record.durationMs).toBeGreaterThan(0);
    expect(record.syscalls.resource_write?.count).toBe(1);
  });
});

describe('the scratch and descriptors of one invocation', () => {
  beforeEach(() => start());

  it('are never seen by the next one', async () => {
    // Reports its first descriptor and what it reads of a file, then leaves one behind and keeps it open.
    await fleet.deployWat(
      'leaver',
      cwaGuest({
        data: ['(data (i32.const 0) "file:///tmp/left")', '(data (i32.const 32) "secret")'],
        body: `
          (local.set $fd (call $open (i32.const 0) (i32.const 16)))
          (local.set $n (call $read (local.get $fd) (i32.const 1024) (i32.const 100)))
          (drop (call $write (local.get $fd) (i32.const 32) (i32.const 6)))
          (drop (call $open (i32.const 0) (i32.const 16)))
          (i32.store8 (i32.const 64) (i32.add (i32.const 48) (local.get $fd)))
          (i32.store8 (i32.const 65) (i32.add (i32.const 77) (local.get $n)))
          (drop (call $write (call $stdout) (i32.const 64) (i32.const 2)))`,
      }),
    );
    const agent = new Agent({ keepAlive: true, maxSockets: 4 });
    const answers = await Promise.all(Array.from({ length: 300 }, () => call(`${fleet.url}/leaver/`, { agent })));
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
    expect(answers[0]?.status).toBe(200);
    agent.destroy();
  });
});

/** Resolves when the number of invocations in flight, as the runner tells it, is as wanted. */
async function inFlight(isWanted: (count: number) => boolean): Promise<void> {
  while (!isWanted(fleet.runners[0]?.stats?.inFlight ?? -1)) await new Promise((resolve) => setTimeout(resolve, 10));
}
