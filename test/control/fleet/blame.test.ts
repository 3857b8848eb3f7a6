import { expect, it } from 'vitest';
import { Blame } from '../../../src/control/fleet/blame.ts';
import { fleetLimits } from '../../../src/control/fleet/limits.ts';

const { quarantineDeaths, quarantineMs } = fleetLimits;

it('a spec is quarantined by so many deaths within the time, once', () => {
  const blame = new Blame(() => 0);
  for (let deaths = 1; deaths < quarantineDeaths; deaths++) expect(blame.add('a', 'signal')).toBeNull();
  expect(blame.find('a')).toBeUndefined();
  expect(blame.add('a', 'exit status 9')).toEqual({
    reason: `it has ended ${quarantineDeaths} runners, the last one so: exit status 9`,
  });
  expect(blame.find('a')).toBeDefined();
  expect(blame.add('a', 'again')).toBeNull();
});

it('deaths expire: those further apart than the time are never enough', () => {
  let nowMs = 0;
  const blame = new Blame(() => nowMs);
  for (let deaths = 0; deaths < 10 * quarantineDeaths; deaths++) {
    expect(blame.add('a', 'signal')).toBeNull();
    // At any moment one less than it takes lies within the time.
    nowMs += Math.ceil(quarantineMs / (quarantineDeaths - 1));
  }
  expect(blame.find('a')).toBeUndefined();
});

it('deaths of one spec say nothing of another, and are forgotten with it', () => {
  const blame = new Blame(() => 0);
  for (let deaths = 1; deaths < quarantineDeaths; deaths++) blame.add('a', 'signal');
  expect(blame.add('b', 'signal')).toBeNull();
  blame.forget('a');
  expect(blame.add('a', 'signal')).toBeNull();
  for (let deaths = 1; deaths < quarantineDeaths; deaths++) blame.add('a', 'signal');
  expect(blame.find('a')).toBeDefined();
  blame.forget('a');
  expect(blame.find('a')).toBeUndefined();
});
