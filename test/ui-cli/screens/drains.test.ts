import { expect, test } from 'vitest';
import { handlerIdOf } from '../../../src/protocol/names.ts';
import { testScreens } from '../../support/screens.ts';

const screens = testScreens();
const hourMs = 3_600_000;

test('without a drain the tab says how to make one', async () => {
  const screen = screens.open({ handler: 'gamma', tab: 'drains' });
  await screen.shows('No drains');
  expect(screen.frame).toContain('wasmcloud drains set gamma archive < settings.json');
});

test('drains show what they have handed on and why they fail, and are removed after a yes', async () => {
  const { control } = screens;
  const handler = (await control.handlers.find('beta'))!;
  const put = (name: string) =>
    control.drains.put(handler, name, { kind: 'webhook', url: `https://example.com/${name}` });
  await put('archive');
  await put('broken');
  await control.db
    .updateTable('drains')
    .set({ sent: 1_234, sent_ms: Date.now() - 2.5 * hourMs })
    .where('name', '=', 'archive')
    .execute();
  await control.db
    .updateTable('drains')
    .set({ failures: 3, error: 'answered 500', failed_ms: Date.now(), retry_ms: Date.now() + 2.5 * hourMs })
    .where('name', '=', 'broken')
    .execute();
  const screen = screens.open({ handler: 'beta', tab: 'drains' });
  await screen.shows(/› archive +webhook +1\.2k +0 +2 h ago +ok/);
  expect(screen.frame).toMatch(/broken +webhook +0 +0 +never +failed 3 times/);
  await screen.press('j', /answered 500/);
  expect(screen.frame).toContain('next try in 2 h');
  await screen.press('d', 'Remove the drain broken?');
  await screen.press('y', 'removed broken');
  await screen.hides('failed 3 times');
  expect((await control.drains.list(handlerIdOf(handler.id))).map(({ name }) => name)).toEqual(['archive']);
});
