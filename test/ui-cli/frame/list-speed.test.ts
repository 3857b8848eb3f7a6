import { expect, test } from 'vitest';
import { ListModel } from '../../../ui-cli/frame/list-model.ts';
import { type Jump, JumpOverlay } from '../../../ui-cli/frame/overlay.ts';
import { wrap } from '../../../ui-cli/text/width.ts';

const items = Array.from({ length: 10_000 }, (_, i) => `item ${i}`);

test('a filter looks at each of 10,000 items once, however often a frame asks', () => {
  let looked = 0;
  const text = (item: string) => {
    looked += 1;
    return item;
  };
  const list = new ListModel<string>({ rows: () => 20, key: (item) => item, text, noun: 'items' });
  list.set(items);
  list.bindings()[0]?.run({ name: '/', text: '/' });
  list.typing()?.insert('99');
  for (let frame = 0; frame < 10; frame += 1) {
    expect(list.window).toHaveLength(20);
    expect(list.status().text).toBe('280 of 10000 items');
  }
  expect(looked).toBe(items.length);
});

test('the jump line searches the places once for what is typed', () => {
  let searched = 0;
  const places = items.map(
    (name): Jump => ({
      get name() {
        searched += 1;
        return name;
      },
      help: '',
      go: () => undefined,
    }),
  );
  const jump = new JumpOverlay(
    () => places,
    () => undefined,
  );
  jump.insert('item 1');
  const { length } = jump.matches;
  const before = searched;
  for (let frame = 0; frame < 10; frame += 1) expect(jump.matches).toHaveLength(length);
  expect(searched).toBe(before);
});

test('a line of 1 MiB is wrapped whole', () => {
  const lines = wrap('x'.repeat(1024 * 1024), 78);
  expect(lines).toHaveLength(Math.ceil((1024 * 1024) / 78));
});
