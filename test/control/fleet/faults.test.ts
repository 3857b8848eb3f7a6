/** Runners that die, hang or cannot be started; deployments while that happens. */
import { once } from 'node:events';
import { Agent, get, type IncomingMessage } from 'node:http';
import { connect, createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { measureModule } from '../../../src/bin/measure-module.ts';
import { fleetLimits } from '../../../src/control/fleet/limits.ts';
import { moduleAbis } from '../../../src/guest/kernel/abi/modules.ts';
import { call, compileWat, deploymentOf, fixture, TestFleet, writer } from '../../support/fleet.ts';
import { cwaGuest, openQuery, slowly } from '../../support/wat.ts';

const fleets: TestFleet[] = [];

async function startFleet(...[options]: ConstructorParameters<typeof TestFleet>): Promise<TestFleet> {
  const fleet = new TestFleet(options);
  fleets.push(fleet);
  await fleet.start();
  return fleet;
}

afterEach(async () => {
  await Promise.all(fleets.splice(0).map((fleet) => fleet.stop()));
});

const pidsOf = (fleet: TestFleet) => fleet.runners.map(({ pid }) => pid);
const started = (fleet: TestFleet) => fleet.events.filter(({ kind }) => kind === 'runner_started').length;
const ended = (fleet: TestFleet) => fleet.events.filter((event) => event.kind === 'runner_ended');

/** Calls `url` again and again from `clients` connections until stopped; how often which answer came. */
function load(url: string, clients: number) {
  const answers = new Map<string, number>();
  let going = true;
  const done = Promise.all(
    Array.from({ length: clients }, async () => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      while (going) {
        const answer = await call(url, { agent }).then(
          ({ status, text }) => (status === 200 ? text : String(status)),
          (error: NodeJS.ErrnoException) => error.code ?? error.message,
        );
        answers.set(answer, (answers.get(answer) ?? 0) + 1);
        // Leaves the processor to those under test.
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
      agent.destroy();
    }),
  );
  return {
    answers,
    stop: async () => {
      going = false;
      await done;
      return answers;
    },
  };
}

describe('a runner that is killed', () => {
  it('fails only what was in flight in it and is replaced at once, five times over', async () => {
    const fleet = await startFleet({ runners: 2 });
    await fleet.deployWat('hello', writer('hello'));
    const clients = load(`${fleet.url}/hello/`, 4);
    for (let round = 0; round < 5; round++) {
      const before = started(fleet);
      process.kill(pidsOf(fleet)[0] as number, 'SIGKILL');
      await fleet.until(() => (started(fleet) > before ? true : undefined));
    }
    const answers = await clients.stop();
    const failed = [...answers].filter(([answer]) => answer !== 'hello').reduce((sum, [, count]) => sum + count, 0);
    // The request in flight on each connection, and one more that reached the listener before the kernel took it down.
    expect(failed).toBeLessThanOrEqual(2 * 4 * 5);
    expect(answers.get('hello')).toBeGreaterThan(failed);
    // Killed from outside: that is nobody's fault. The owner learns that calls are gone.
    expect(fleet.lines.length).toBeLessThanOrEqual(5);
    for (const { text } of fleet.lines) expect(text).toMatch(/^a runner of the platform ended \(signal SIGKILL\): /);
    expect(ended(fleet)[0]).toMatchObject({ reason: 'signal SIGKILL', restartMs: 0 });
  });

  it('does not keep a deployment from going live, nor does its successor miss it', async () => {
    const fleet = await startFleet({ runners: 2 });
    for (let round = 0; round < 5; round++) {
      const before = started(fleet);
      process.kill(pidsOf(fleet)[round % 2] as number, 'SIGKILL');
      await fleet.deploy(deploymentOf('hello', await compileWat(writer(`v${round}`)), { number: round + 1 }));
      expect((await call(`${fleet.url}/hello/`)).text).toBe(`v${round}`);
      await fleet.until(() => (started(fleet) > before ? true : undefined));
      // Both of them: new connections are spread over all runners.
      const texts = await Promise.all(Array.from({ length: 20 }, () => call(`${fleet.url}/hello/`)));
      expect(new Set(texts.map(({ text }) => text))).toEqual(new Set([`v${round}`]));
    }
  });

  it('does not fail a deployment even where it was the only one', async () => {
    const fleet = await startFleet();
    process.kill(pidsOf(fleet)[0] as number, 'SIGKILL');
    await fleet.until(() => ended(fleet)[0]);
    await fleet.deployWat('hello', writer('hello'));
    await fleet.until(() => (started(fleet) === 2 ? true : undefined));
    expect((await call(`${fleet.url}/hello/`)).text).toBe('hello');
  });

  it('is started more and more slowly when it dies again and again', async () => {
    const fleet = await startFleet();
    for (let deaths = 1; deaths <= 4; deaths++) {
      await fleet.until(() => (started(fleet) === deaths ? true : undefined));
      process.kill(pidsOf(fleet)[0] as number, 'SIGKILL');
      await fleet.until(() => (ended(fleet).length === deaths ? true : undefined));
    }
    const delays = ended(fleet).map((event) => event.restartMs);
    expect(delays).toEqual([0, 100, 200, 400]);
  });
});

describe('a runner that hangs', () => {
  it('is killed by the watchdog and replaced', async () => {
    const fleet = await startFleet();
    await fleet.deployWat('hello', writer('hello'));
    process.kill(pidsOf(fleet)[0] as number, 'SIGSTOP');
    const event = await fleet.until(() => ended(fleet)[0]);
    // Where nothing tells that it gets no processor, the least time; else up to ten seconds.
    expect(Number(/stood still for (\d+) ms/.exec(event.reason)?.[1])).toBeGreaterThanOrEqual(2_000);
    await fleet.until(() => (started(fleet) === 2 ? true : undefined));
    expect((await call(`${fleet.url}/hello/`)).text).toBe('hello');
    // No guest held the thread.
    expect(fleet.lines).toEqual([]);
  });

  it('because of a handler, again and again, gets that handler quarantined, which its owner is told', async () => {
    const fleet = await startFleet();
    await fleet.deployWat('hello', writer('hello'));
    // An expression that takes time exponential in the URL: the thread is held inside a system call.
    const bad = await fleet.deployWat('hanger', openQuery, { policy: { allow: ['^null:(a+)+$'], disallow: [] } });
    for (let deaths = 1; deaths <= fleetLimits.quarantineDeaths; deaths++) {
      await fleet.until(() => (started(fleet) === deaths ? true : undefined));
      await call(`${fleet.url}/hanger/?null:${'a'.repeat(60)}b`).catch(() => {});
      await fleet.until(() => (ended(fleet).length === deaths ? true : undefined));
    }
    await fleet.until(() => (started(fleet) === fleetLimits.quarantineDeaths + 1 ? true : undefined));
    expect(fleet.events).toContainEqual(expect.objectContaining({ kind: 'quarantined', specId: bad.spec.specId }));
    const told = fleet.lines.filter(({ handler }) => handler === 'hanger').map(({ text }) => text);
    expect(told).toHaveLength(fleetLimits.quarantineDeaths + 1);
    expect(told.at(-1)).toMatch(/^stopped: it has ended 3 runners/);
    const answer = await call(`${fleet.url}/hanger/?null:`);
    expect(answer.status).toBe(503);
    expect((await call(`${fleet.url}/hello/`)).text).toBe('hello');
    // Another version is another matter.
    await fleet.deployWat('hanger', openQuery);
    expect((await call(`${fleet.url}/hanger/?null:`)).text).toBe('opened\n');
  });
});

describe('a function that the push accepts and whose every call makes a slow instance', () => {
  it('gets no neighbour blamed, of which a call is in flight, when runners abort meanwhile', async () => {
    // A table that code changes is made anew for each call, and the trap comes when that has been done.
    const wasm = await compileWat(`(module (memory (export "memory") 1) (table 900000 funcref) (func $f)
      (elem declare func $f)
      (func (export "cwa_main") (result i32) (table.set (i32.const 0) (ref.func $f)) unreachable))`);
    const slow = deploymentOf('slow', wasm);
    const measured = await measureModule(slow.bytes, slow.spec.module, { name: 'slow.wasm', abis: moduleAbis });
    const fleet = await startFleet();
    // Waits for its request's body, so that a call of it is in flight.
    const reads = `(drop (call $read (call $stdin) (i32.const 4096) (i32.const 100)))
      (drop (call $write (call $stdout) (i32.const 0) (i32.const 10)))`;
    await fleet.deployWat('neighbour', cwaGuest({ data: ['(data (i32.const 0) "A: b\\n\\nfine")'], body: reads }));
    await fleet.deploy({
      ...slow,
      spec: { ...slow.spec, module: { ...slow.spec.module, ...measured.measures } },
    });
    for (let deaths = 1; deaths <= fleetLimits.quarantineDeaths + 1; deaths++) {
      await fleet.until(() => (started(fleet) === deaths ? true : undefined));
      const socket = connect(Number(new URL(fleet.url).port), '127.0.0.1').on('error', () => {});
      socket.write('POST /neighbour/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n');
      await fleet.until(() =>
        [...fleet.running.values()].flat().some(({ started }) => started.length > 0) ? true : undefined,
      );
      expect((await call(`${fleet.url}/slow/`)).status).toBe(500);
      // As V8 ends a process that is out of memory or code space.
      process.kill(pidsOf(fleet)[0]!, 'SIGABRT');
      await fleet.until(() => (ended(fleet).length === deaths ? true : undefined));
      socket.destroy();
    }
    await fleet.until(() => (started(fleet) === fleetLimits.quarantineDeaths + 2 ? true : undefined));
    expect(fleet.events.filter(({ kind }) => kind === 'quarantined')).toEqual([]);
    // Nor is the other: what ended the runners was neither's code.
    expect(fleet.lines.filter(({ text }) => text.startsWith('ended a runner of the platform'))).toEqual([]);
    expect((await call(`${fleet.url}/neighbour/`)).text).toBe('fine');
  });
});

describe('a deployment', () => {
  it('switches under load without a failed request, twenty times', async () => {
    const fleet = await startFleet({ runners: 2 });
    await fleet.deployWat('hello', writer('v0'));
    const clients = load(`${fleet.url}/hello/`, 4);
    for (let version = 1; version <= 20; version++) {
      await fleet.deploy(deploymentOf('hello', await compileWat(writer(`v${version}`)), { number: version }));
      expect((await call(`${fleet.url}/hello/`)).text).toBe(`v${version}`);
    }
    const answers = await clients.stop();
    expect([...answers.keys()].filter((answer) => !/^v\d+$/.test(answer))).toEqual([]);
  });

  it('that a runner cannot compile changes nothing and says so', async () => {
    const fleet = await startFleet();
    await fleet.deployWat('hello', writer('good'));
    const broken = deploymentOf('hello', await compileWat(writer('bad')), { number: 2 });
    const bytes = broken.bytes.slice(0, -3);
    await expect(fleet.deploy({ ...broken, bytes })).rejects.toMatchObject({ code: 'vet_failed' });
    expect((await call(`${fleet.url}/hello/`)).text).toBe('good');
    // What was refused does not stick to the Artifact's name.
    await fleet.deploy(broken);
    expect((await call(`${fleet.url}/hello/`)).text).toBe('bad');
  });

  it('that cannot be loaded any more does not keep a new runner from serving the others', async () => {
    const fleet = new TestFleet();
    fleets.push(fleet);
    for (const name of ['good', 'bad']) {
      const { spec, bytes } = deploymentOf(name, await compileWat(writer(name)));
      fleet.artifacts.set(spec.artifact, name === 'bad' ? bytes.slice(0, -3) : bytes);
      fleet.specs.set(spec.specId, spec);
      fleet.releases.set(name, spec.specId);
    }
    fleet.unserved.set('newer', 'a newer version has it');
    await fleet.start();
    expect((await call(`${fleet.url}/good/`)).text).toBe('good');
    const newer = await call(`${fleet.url}/newer/`);
    expect(newer).toMatchObject({ status: 503, headers: { 'retry-after': '30' } });
    expect(newer.text).toContain('This function cannot be served here: a newer version has it.');
    // Until something that can be served is released.
    await fleet.deployWat('newer', writer('now'));
    expect((await call(`${fleet.url}/newer/`)).text).toBe('now');
    expect((await call(`${fleet.url}/bad/`)).status).toBe(503);
    await fleet.until(() => fleet.lines[0]);
    expect(fleet.lines[0]).toMatchObject({ handler: 'bad', stream: 'platform', level: 1 });
  });

  it('lets calls on the old version finish', async () => {
    const fleet = await startFleet();
    await fleet.deployWat('slow', slowly);
    const request = get(`${fleet.url}/slow/`, { agent: false });
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    const [first] = await once(response, 'data');
    expect(String(first)).toBe('first\n');
    const [rest, end] = [once(response, 'data'), once(response, 'end')];
    await fleet.deployWat('slow', writer('new'));
    expect((await call(`${fleet.url}/slow/`)).text).toBe('new');
    expect(String((await rest)[0])).toBe('last\n');
    await end;
  });
});

describe('starting', () => {
  it('is refused where another program has the port, saying what to do', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const address = other.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const fleet = new TestFleet({ port });
    await expect(fleet.start()).rejects.toMatchObject({
      code: 'unavailable',
      message: `port ${port} on 127.0.0.1 is in use by another program`,
      hints: [expect.stringContaining('TRISIEL_RUN_PORT')],
    });
    other.close();
  });

  it('is refused where a runner cannot start, saying why', async () => {
    const fleet = new TestFleet({ program: '/nowhere/runner.ts' });
    await expect(fleet.start()).rejects.toMatchObject({ code: 'unavailable' });
    expect(fleet.events.some((event) => event.kind === 'runner_stderr')).toBe(true);
  });
});

describe('stopping', () => {
  it('lets calls finish, hands over their records and lines, and leaves no process', async () => {
    const fleet = await startFleet({ runners: 2 });
    await fleet.deploy(deploymentOf('slow', await fixture('cwa/sleep.wasm')));
    await fleet.deploy(deploymentOf('log', await fixture('cwa/log.wasm')));
    expect((await call(`${fleet.url}/log/`)).status).toBe(200);
    const slow = call(`${fleet.url}/slow/?300`);
    // Its runner has begun when a second call has been answered after it.
    expect((await call(`${fleet.url}/slow/?1`)).text).toBe('slept\n');
    const pids = pidsOf(fleet);
    await fleet.stop();
    expect((await slow).text).toBe('slept\n');
    const counted = fleet.counts.reduce((sum, { invocations }) => sum + invocations, 0);
    expect(counted).toBe(3);
    expect(fleet.lines.filter(({ handler }) => handler === 'log').length).toBeGreaterThan(3);
    expect(ended(fleet).map(({ reason }) => reason)).toEqual(['exit status 0', 'exit status 0']);
    for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow();
  });
});
