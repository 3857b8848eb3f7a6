import { expect, test } from 'vitest';
import { type Jump, JumpOverlay, jumpBindings, matchJumps } from '../../../ui-cli/frame/overlay.ts';
import { type TabName, tabKey, tabNames } from '../../../ui-cli/screens/handler/tab.ts';
import { tabBar } from '../../../ui-cli/screens/handler/tab-bar.ts';

const gone: string[] = [];
const jump = (name: string): Jump => ({ name, help: '', go: () => gone.push(name) });
const jumps = ['handlers', 'create', 'swift-otter', 'swift-otter logs', 'slow-otter', 'slow-otter logs'].map(jump);

test('what begins with the typed text comes before what contains its words', () => {
  expect(matchJumps(jumps, 'slow').map(({ name }) => name)).toEqual(['slow-otter', 'slow-otter logs']);
  expect(matchJumps(jumps, 'ott log').map(({ name }) => name)).toEqual(['swift-otter logs', 'slow-otter logs']);
  expect(matchJumps(jumps, 'nothing like it')).toEqual([]);
});

test('Tab completes, the arrows choose, Enter goes', () => {
  const overlay = new JumpOverlay(
    () => jumps,
    () => gone.push('unknown'),
  );
  const press = (key: string) =>
    jumpBindings(overlay, () => gone.push('closed'))
      .find((binding) => binding.keys.includes(key))
      ?.run({ name: key, text: '' });
  overlay.insert('swi');
  press('tab');
  expect(overlay.input.value).toBe('swift-otter');
  press('down');
  press('enter');
  expect(gone).toEqual(['closed', 'swift-otter logs']);
  overlay.input.value = 'zzz';
  press('enter');
  expect(gone.at(-1)).toBe('unknown');
});

const textOf = (open: TabName, columns: number, rows: number) =>
  tabBar(open, { columns, rows }).map((row) => row.map(({ text }) => text).join(''));

test('all tabs are named in two rows of 80 columns, the open one in brackets', () => {
  for (const open of tabNames) {
    const bar = textOf(open, 80, 24);
    expect(bar).toHaveLength(2);
    for (const row of bar) expect(row.length).toBeLessThanOrEqual(80);
    expect(bar.join('')).toContain(`[${tabKey(open)} ${open}]`);
    for (const tab of tabNames) expect(bar.join('')).toContain(`${tabKey(tab)} ${tab}`);
  }
});

test('on a wide terminal the tabs are one row', () => {
  expect(textOf('logs', 160, 24)).toHaveLength(1);
});

test('on a low or narrow terminal the other tabs are their keys', () => {
  const keysOnly = [' 1[2 logs]3 4 5 6 7 8 9 0 S C T A F H '];
  expect(textOf('logs', 80, 14)).toEqual(keysOnly);
  expect(textOf('logs', 60, 24)).toEqual(keysOnly);
});
