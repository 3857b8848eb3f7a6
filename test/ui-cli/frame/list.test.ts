import fc from 'fast-check';
import { expect, test } from 'vitest';
import { clampList, listStart, moveList } from '../../../ui-cli/frame/list.ts';

const keys = ['up', 'down', 'j', 'k', 'g', 'G', 'home', 'end', 'pageup', 'pagedown', 'ctrl-u', 'ctrl-d'] as const;
const press = (name: string) => ({ name, text: '' });

test('moves by a row, half a page, a page, and to both ends', () => {
  const walk = (...names: readonly string[]) =>
    names.reduce((list, name) => moveList(list, press(name), 100, 10) ?? list, listStart);
  expect(walk('j', 'down', 'k').selected).toBe(1);
  expect(walk('pagedown').selected).toBe(9);
  expect(walk('ctrl-d').selected).toBe(5);
  expect(walk('G')).toEqual({ selected: 99, top: 90 });
  expect(walk('G', 'g')).toEqual({ selected: 0, top: 0 });
  expect(walk('up').selected).toBe(0);
});

test('a key that does not move is not taken', () => {
  expect(moveList(listStart, press('x'), 10, 5)).toBeNull();
});

test('the selection is always inside the list and inside the window, whatever is pressed and however it is resized', () => {
  const step = fc.record({
    key: fc.constantFrom(...keys),
    count: fc.nat(40),
    rows: fc.integer({ min: 1, max: 15 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      let list = listStart;
      for (const { key, count, rows } of steps) {
        list = moveList(clampList(list, count, rows), press(key), count, rows) ?? list;
        expect(list.selected).toBeGreaterThanOrEqual(0);
        expect(list.selected).toBeLessThanOrEqual(Math.max(0, count - 1));
        expect(list.top).toBeLessThanOrEqual(list.selected);
        expect(list.selected).toBeLessThan(list.top + rows);
        // No empty rows below while there are items above.
        expect(list.top).toBeLessThanOrEqual(Math.max(0, count - rows));
      }
    }),
  );
});
