/** Probes: only a holder of the platform's key is answered; rubbish is told apart without an error of ours. */
import { expect, it } from 'vitest';
import { answerToProbe, makeProbe } from '../../src/protocol/runner-probe.ts';

it('is answered for a holder of the key, and the answer is known', () => {
  const probe = makeProbe('key');
  const answer = answerToProbe('key', probe.field);
  expect(answer).not.toBeNull();
  expect(probe.isAnsweredBy(answer)).toBe(true);
});

it.each([
  ['of another key', makeProbe('other').field],
  ['with a code of letters of two bytes', makeProbe('key').field.replace(/[0-9a-f]{64}$/, 'é'.repeat(64))],
  ['without a code', 'a'],
  ['empty', ''],
])('%s is not answered', (_what, field) => {
  expect(answerToProbe('key', field)).toBeNull();
});

it('an answer of letters of two bytes is none', () => {
  expect(makeProbe('key').isAnsweredBy('é'.repeat(64))).toBe(false);
});
