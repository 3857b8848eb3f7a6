/** Elements of streams and futures: those of the platform's tables are known by name, those of guests are not kept. */
import { expect, it } from 'vitest';
import type { WitType } from '../../../../src/guest/component/wit.ts';
import { allElements, elementFor } from '../../../../src/guest/kernel/canonical/async/elements.ts';

it('keeps no type that a guest brings after the tables have been made', () => {
  elementFor({ kind: 'list', of: 'u16', length: null });
  const known = allElements().map(({ name }) => name);
  const guests: WitType = { kind: 'list', of: 'u16', length: 77 };
  const element = elementFor(guests);
  expect(elementFor(guests)).toBe(element);
  expect(elementFor({ ...guests })).toEqual(element);
  expect(allElements().map(({ name }) => name)).toEqual(known);
  expect(known).toContain(elementFor({ kind: 'list', of: 'u16', length: null }).name);
});
