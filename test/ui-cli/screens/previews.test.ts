import { expect, test } from 'vitest';
import { testScreens } from '../../support/screens.ts';
import { keys } from '../../support/terminal.tsx';
import { line } from '../../support/ui-cli.ts';

const screens = testScreens();

test('without a preview the tab says how to make one, and turns them off and on', async () => {
  const screen = screens.open({ handler: 'gamma', tab: 'previews' });
  await screen.shows('git push wasmcloud BRANCH');
  await screen.press('O', 'pushes of other branches make no previews');
  await screen.shows('Previews are off');
  await screen.press('O', 'pushes of other branches make previews');
  await screen.shows('git push wasmcloud BRANCH');
});

test('a preview leads to its page, log, versions and variables, and is deleted after a yes', async () => {
  const { control } = screens;
  const of = { handler: 'beta', user: 'ada', branch: 'dev' } as const;
  await control.deploy({ ...of, number: 1, state: 'retired' });
  await control.deploy({ ...of, number: 2, state: 'live' });
  await control.deploy({ handler: 'beta', user: 'ada', number: 3, state: 'live' });
  await control.write(line('beta', 'of the function'), line('beta', 'of the preview', { preview: 'dev' }));
  const screen = screens.open({ handler: 'beta', tab: 'previews' });
  await screen.shows(/› dev +v2/);
  expect(screen.frame).toMatch(/http:\/\/dev--beta\.localhost:\d+/);
  await screen.press('o', '');
  expect(screen.browsed).toEqual([expect.stringContaining('dev--beta')]);

  await screen.press('l', 'of the preview');
  expect(screen.lines[0]).toContain('beta › previews › dev › logs');
  expect(screen.frame).not.toContain('of the function');
  await screen.press(keys.esc, /› dev +v/);

  await screen.press('e', 'No variables of its own');
  await screen.press('a', 'Set a variable');
  await screen.press(`KEY${keys.tab}value${keys.enter}`, 'set KEY');
  await screen.press(keys.esc, /› dev +v/);
  const { id } = (await control.handlers.find('beta'))!;
  expect(await control.env.envOf(id)).toEqual({});
  expect(await control.env.envOf(id, 'dev')).toEqual({ KEY: 'value' });

  await screen.press('b', /v1 +retired/);
  expect(screen.frame).not.toMatch(/v3 +live/);
  await screen.press(keys.down, /› v1/);
  await screen.press('b', 'beta: v2 -> v1');
  await screen.press('y', 'beta: v2 -> v1: live');
  await screen.press(keys.esc, /› dev +v1/);

  await screen.press('d', 'Delete the preview of dev?');
  await screen.press('y', 'deleted the preview of dev');
  await screen.shows('No previews');
});
