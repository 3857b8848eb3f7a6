/** Triggers: only a holder of the platform's key makes them. */
import { expect, it } from 'vitest';
import { readTrigger, type Trigger, writeTrigger } from '../../src/protocol/trigger.ts';

const trigger: Trigger = {
  kind: 'queue',
  name: 'work',
  label: 'otter',
  env: { QUEUE_NAME: 'ü "x"\n' },
  timeoutMs: 1_000,
};

it('is read as it was written', () => {
  expect(readTrigger('key', writeTrigger('key', trigger))).toEqual(trigger);
});

it.each([
  ['of another key', writeTrigger('other', trigger)],
  ['changed', writeTrigger('key', trigger).replace(/^./, (letter) => (letter === 'a' ? 'b' : 'a'))],
  ['with a code of the same length', writeTrigger('key', trigger).replace(/\..*$/, `.${'A'.repeat(43)}`)],
  ['with a code of letters of two bytes', `${writeTrigger('key', trigger).split('.')[0]}.${'é'.repeat(43)}`],
  ['without a code', writeTrigger('key', trigger).split('.')[0]!],
  ['empty', ''],
])('%s is none', (_what, field) => {
  expect(readTrigger('key', field)).toBeNull();
});
