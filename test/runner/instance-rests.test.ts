/** One owner's slow instances do not keep the thread: rests between them, and calls that would wait too long. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { InstanceRests } from '../../src/runner/instance-rests.ts';
import { restLimits } from '../../src/runner/limits.ts';
import { call, compileWat, deploymentOf, TestFleet, writer } from '../support/fleet.ts';

const { restFromMs, restFactor, waitMs } = restLimits;

describe('the rests of an owner', () => {
  it('follow slow instances, one after the other, and are nobody else’s', () => {
    const rests = new InstanceRests();
    expect(rests.book('ada', 30, 1_000)).toBe(0);
    expect(rests.book('ada', 30, 1_000)).toBe(30 * (1 + restFactor));
    expect(rests.book('ada', 30, 1_010)).toBe(2 * 30 * (1 + restFactor) - 10);
    expect(rests.book('bob', 30, 1_000)).toBe(0);
    expect(rests.book('ada', 30, 60_000)).toBe(0);
  });

  it('do not follow those that take a few slices', () => {
    const rests = new InstanceRests();
    for (let n = 0; n < 3; n += 1) expect(rests.book('ada', restFromMs - 0.1, 1_000)).toBe(0);
  });

  it('end in a refusal where the wait would be too long', () => {
    const rests = new InstanceRests();
    expect(rests.book('ada', waitMs / (1 + restFactor), 0)).toBe(0);
    expect(rests.book('ada', 30, 0)).toBe(waitMs);
    expect(() => rests.book('ada', 30, 0)).toThrow('wait for an instance');
  });
});

describe('calls of functions whose instances take long to make', () => {
  const fleet = new TestFleet();
  beforeAll(() => fleet.start());
  afterAll(() => fleet.stop());

  /** Deploys a module as if vet had measured instances of half a minute. */
  async function deploy(handler: string, text: string, ownerId: string): Promise<void> {
    const made = deploymentOf(handler, await compileWat(text));
    const module = { ...made.spec.module, instantiationUs: 30e6 };
    await fleet.deploy({ ...made, spec: { ...made.spec, ownerId, module } });
  }
  const statusOf = async (handler: string) => (await call(`${fleet.url}/${handler}/`)).status;

  it('rest where each needs a new one, also when it ended well; those that are used again are served at once', async () => {
    const changes = `(table 1 funcref) (func $f) (elem declare func $f)
      (func (export "cwa_main") (result i32) (table.set (i32.const 0) (ref.func $f)) (i32.const 0))`;
    await deploy('traps', '(module (func (export "cwa_main") (result i32) unreachable))', 'ada');
    await deploy('changes', `(module ${changes})`, 'bob');
    await deploy('again', writer('fine'), 'eve');
    expect([await statusOf('traps'), await statusOf('traps')]).toEqual([500, 503]);
    expect([await statusOf('changes'), await statusOf('changes')]).toEqual([200, 503]);
    expect([await statusOf('again'), await statusOf('again'), await statusOf('again')]).toEqual([200, 200, 200]);
  });
});
