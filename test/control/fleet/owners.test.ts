/** What holds for all functions of a user: suspended, or limited in calls in flight. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { OwnerState } from '../../../src/protocol/messages.ts';
import { call, TestFleet, writer } from '../../support/fleet.ts';
import { cwaGuest } from '../../support/wat.ts';

let fleet: TestFleet;

beforeEach(async () => {
  fleet = new TestFleet();
  await fleet.start();
});
afterEach(() => fleet.stop());

async function codeOf(handler: string): Promise<string> {
  const { text } = await call(`${fleet.url}/${handler}/`);
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
    const waiting = cwaGuest({ pages: '1', body: '(call $sleep (i32.const 400))' });
    await fleet.deployWat('one', waiting, { ownerId: 'ada' });
    await fleet.deployWat('two', waiting, { ownerId: 'ada' });
    await owner('ada', { callsMax: 3 });
    const codes = await Promise.all(['one', 'two', 'one', 'two', 'one', 'two', 'one', 'two'].map(codeOf));
    expect(codes.toSorted()).toEqual(['ok', 'ok', 'ok', ...Array.from({ length: 5 }, () => 'overloaded')]);
    expect(await codeOf('one')).toBe('ok');
    // What the user's limit refuses says nothing about a version.
    const sum = (key: 'failures' | 'refusals') => fleet.counts.reduce((all, count) => all + (count[key] ?? 0), 0);
    await fleet.until(() => (sum('failures') === 5 ? true : undefined));
    expect(sum('refusals')).toBe(5);
    await owner('ada', { callsMax: null });
    expect(await Promise.all(['one', 'two', 'one', 'two'].map(codeOf))).toEqual(['ok', 'ok', 'ok', 'ok']);
  });
});
