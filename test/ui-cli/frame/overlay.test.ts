import { expect, test } from 'vitest';
import { type Jump, JumpOverlay, jumpBindings, matchJumps } from '../../../ui-cli/frame/overlay.ts';
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

test('all tabs fit into 80 columns, the open one in brackets', () => {
  for (const open of ['overview', 'invocations', 'danger'] as const) {
    const bar = tabBar(open, 80)
      .map(({ text }) => text)
      .join('');
    expect(bar.length).toBeLessThanOrEqual(80);
    expect(bar).toMatch(new RegExp(`\\[\\d ${open}\\]`));
    expect(bar).toContain('5 limits');
  }
});

test('on a narrow terminal the other tabs are their keys', () => {
  expect(
    tabBar('logs', 60)
      .map(({ text }) => text)
      .join(''),
  ).toBe(' 1[2 logs]3 4 5 6 7 8 ');
});
