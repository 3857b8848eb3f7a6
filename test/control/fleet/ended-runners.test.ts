/** What owners and operators learn of calls that run, and of a runner that ended over them. */
import { get } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { call, deploymentOf, fixture, TestFleet, writer } from '../../support/fleet.ts';

let fleet: TestFleet;
afterEach(() => fleet.stop());

const pid = () => fleet.runners[0]?.pid ?? 0;
const ended = () => fleet.events.filter(({ kind }) => kind === 'runner_ended').length;
const starts = () => fleet.events.filter(({ kind }) => kind === 'runner_started').length;
const changes = () => [...fleet.running.values()].flat();

describe('a call that runs for long', () => {
  it('is told of while it runs, and when it has ended', async () => {
    fleet = new TestFleet();
    await fleet.start();
    await fleet.deploy(deploymentOf('slow', await fixture('cwa/sleep.wasm')));
    const answer = call(`${fleet.url}/slow/?1000`);
    const record = await fleet.until(() => changes().flatMap(({ started }) => started)[0]);
    expect(record).toMatchObject({ handlerId: 'id-of-slow', outcome: 'running', status: 0, method: 'GET' });
    expect(record.path).toBe('/?1000');
    expect(record.durationMs).toBeGreaterThan(0);
    const { headers } = await answer;
    expect(headers['trisiel-invocation']).toBe(record.id);
    const gone = await fleet.until(() => changes().flatMap((change) => change.ended)[0]);
    expect(gone).toBe(record.id);
    const last = await fleet.until(() => fleet.records.find(({ id }) => id === record.id));
    expect(last).toMatchObject({ outcome: 'ok', status: 200 });
  });

  it('is known to be over when its runner has ended', async () => {
    fleet = new TestFleet();
    await fleet.start();
    await fleet.deploy(deploymentOf('slow', await fixture('cwa/sleep.wasm')));
    get(`${fleet.url}/slow/?60000`, { agent: false }).on('error', () => {});
    await fleet.until(() => (changes().some(({ started }) => started.length > 0) ? true : undefined));
    process.kill(pid(), 'SIGKILL');
    await fleet.until(() => (ended() === 1 ? true : undefined));
    expect(fleet.running.size).toBe(0);
  });
});

describe('a runner that is killed', () => {
  it('leaves a line with the owners of functions in use there, and with no others', async () => {
    fleet = new TestFleet();
    await fleet.start();
    await fleet.deploy(deploymentOf('slow', await fixture('cwa/sleep.wasm')));
    for (const name of ['used', 'unused']) await fleet.deployWat(name, writer(name));
    const sleeping = new Promise<unknown>((resolve) =>
      get(`${fleet.url}/slow/?60000`, { agent: false }).on('error', resolve),
    );
    await fleet.until(() => (changes().some(({ started }) => started.length > 0) ? true : undefined));
    expect((await call(`${fleet.url}/used/`)).text).toBe('used');
    process.kill(pid(), 'SIGKILL');
    await sleeping;
    const line = await fleet.until(() => fleet.lines.find(({ handler }) => handler === 'slow'));
    expect(line).toMatchObject({ stream: 'platform', level: 3, deployment: 1, invocation: '' });
    expect(line.text).toBe(
      'a runner of the platform ended (signal SIGKILL): 1 or more calls of this function that ran there were ended, and their last log lines may be missing',
    );
    expect(fleet.lines.filter(({ handler }) => handler === 'used')).toHaveLength(1);
    expect(fleet.lines.filter(({ handler }) => handler === 'unused')).toEqual([]);
  });

  it('because the engine gives up is the fault of a function only where no other was in use', async () => {
    fleet = new TestFleet();
    await fleet.start();
    // One computes, so that the mark has its name; the other one waits.
    const limits = { gas: 1e15, timeoutMs: 600_000 };
    await fleet.deploy(deploymentOf('used', await fixture('cwa/spin.wasm'), { limits }));
    await fleet.deploy(deploymentOf('other', await fixture('cwa/sleep.wasm'), { limits }));
    const accusations = () => fleet.lines.filter(({ text }) => text.startsWith('ended a runner')).length;
    for (const name of ['other', 'used']) {
      get(`${fleet.url}/${name}/`, { agent: false }).on('error', () => {});
      const isListed = () =>
        changes().some(({ started }) => started.some(({ handlerId }) => handlerId === `id-of-${name}`));
      await fleet.until(() => (isListed() ? true : undefined));
    }
    // As V8 does when memory or code space is out.
    process.kill(pid(), 'SIGABRT');
    await fleet.until(() => (ended() === 1 && starts() === 2 ? true : undefined));
    expect(accusations()).toBe(0);
    expect(fleet.lines.map(({ handler }) => handler).sort()).toEqual(['other', 'used']);
  });
});
