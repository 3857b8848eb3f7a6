import { expect, it } from 'vitest';
import { gasProfileLimits, plausibleProfile } from '../../src/protocol/gas-profile.ts';

const profile = { gas: 10, calls: 1, samples: 2, functions: ['main'], nodes: [[-1, 0, 10]] };

it('takes what a runner sends', () => {
  expect(plausibleProfile(profile)).toEqual(profile);
  const many = gasProfileLimits.nodes;
  const largest = { ...profile, nodes: Array.from({ length: many }, () => [-1, 0, 1]) };
  expect(plausibleProfile(largest)).toEqual(largest);
  const named = { ...profile, functions: ['x'.repeat(gasProfileLimits.nameChars)] };
  expect(plausibleProfile(named)).toEqual(named);
});

it.each<[string, unknown]>([
  ['nothing', null],
  ['a text', 'profile'],
  ['gas that is no count', { ...profile, gas: -1 }],
  ['calls that are no count', { ...profile, calls: 0.5 }],
  ['samples that are no count', { ...profile, samples: '2' }],
  ['functions that are no list', { ...profile, functions: { length: 1, 0: 'main' } }],
  ['nodes that are no list', { ...profile, nodes: { length: 1, 0: [-1, 0, 10] } }],
  ['too many nodes', { ...profile, nodes: Array.from({ length: gasProfileLimits.nodes + 1 }, () => [-1, 0, 1]) }],
  ['too many functions', { ...profile, functions: Array.from({ length: gasProfileLimits.nodes + 1 }, () => 'f') }],
  ['a name that is too long', { ...profile, functions: ['x'.repeat(gasProfileLimits.nameChars + 1)] }],
  ['a name that is no text', { ...profile, functions: [1] }],
  ['a hole among the names', { ...profile, functions: new Array(1) }],
  ['a node that is no list', { ...profile, nodes: [{}] }],
  ['a node with more than three numbers', { ...profile, nodes: [[-1, 0, 10, 1]] }],
  ['a node that is its own caller', { ...profile, nodes: [[0, 0, 10]] }],
  ['a caller that is none', { ...profile, nodes: [[-2, 0, 10]] }],
  ['a function that is none', { ...profile, nodes: [[-1, 1, 10]] }],
  ['gas of a node that is none', { ...profile, nodes: [[-1, 0, -1]] }],
])('takes no %s', (_what, value) => {
  expect(plausibleProfile(value)).toBeNull();
});
