/** What holds for all functions of a user: suspended, or limited in calls in flight. */
import { Agent } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { OwnerState } from '../../../src/protocol/messages.ts';
import { type Call, call, TestFleet, writer } from '../../support/fleet.ts';
import { cwaGuest } from '../../support/wat.ts';

let fleet: TestFleet;

beforeEach(async () => {
  fleet = new TestFleet();
  await fleet.start();
});
afterEach(() => fleet.stop());

async function codeOf(handler: string, options: Call = {}): Promise<string> {
  const { text } = await call(`${fleet.url}/${handler}/`, options);
  return text.startsWith('{') ? (JSON.parse(text) as { code: string }).code : 'ok';
}

/** As control does: in its state, which a runner that starts reads, and to those that serve. */
async function owner(ownerId: string, state: Partial<OwnerState>): Promise<void> {
  const whole = { ownerId, isSuspended: false, callsMax: null, ...state };
  fleet.owners.set(ownerId, whole);
  await fleet.fleet.applied(await fleet.feed.owner(whole));
}

describe('functions of a user', () => {
  it('answer 503 while the user is suspended, others go on; a runner that starts knows it too', async () => {
    await fleet.deployWat('hello', writer('hello'), { ownerId: 'ada' });
    await fleet.deployWat('other', writer('other'), { ownerId: 'bob' });
    await owner('ada', { isSuspended: true });
    expect(await codeOf('hello')).toBe('suspended');
    expect((await call(`${fleet.url}/hello/`)).status).toBe(503);
    expect(await codeOf('other')).toBe('ok');
    process.kill(fleet.runners[0]!.pid, 'SIGKILL');
    await fleet.until(() => fleet.events.filter(({ kind }) => kind === 'runner_started')[1]);
    expect(await codeOf('hello')).toBe('suspended');
    await owner('ada', { isSuspended: false });
    expect(await codeOf('hello')).toBe('ok');
  });

  it('have no more calls in flight than the user may, all together', async () => {
    const waiting = cwaGuest({ pages: '1', body: '(call $sleep (i32.const 1000000000))' });
    const patient = { ownerId: 'ada', limits: { timeoutMs: 600_000 } };
    await fleet.deployWat('one', waiting, patient);
    await fleet.deployWat('two', waiting, patient);
    await fleet.deployWat('brief', writer('brief'), { ownerId: 'ada' });
    await owner('ada', { callsMax: 3 });
    const agent = new Agent();
    const refused: string[] = [];
    const calls = ['one', 'two', 'one', 'two', 'one', 'two', 'one', 'two'].map((handler) =>
      codeOf(handler, { agent }).then(
        (code) => void refused.push(code),
        () => {},
      ),
    );
    await expect.poll(() => refused.length).toBe(5);
    expect(refused).toEqual(Array(5).fill('overloaded'));
    // What the user's limit refuses says nothing about a version.
    const sum = (key: 'invocations' | 'failures' | 'refusals') =>
      fleet.counts.reduce((all, count) => all + (count[key] ?? 0), 0);
    await fleet.until(() => (sum('failures') === 5 ? true : undefined));
    expect(sum('refusals')).toBe(5);
    await owner('ada', { callsMax: null });
    expect(await codeOf('brief')).toBe('ok');
    await owner('ada', { callsMax: 3 });
    agent.destroy();
    await Promise.all(calls);
    await fleet.until(() => (sum('invocations') === 9 ? true : undefined));
    expect(await codeOf('brief')).toBe('ok');
  });
});
