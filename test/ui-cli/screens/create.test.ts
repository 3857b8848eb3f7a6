import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { testScreens } from '../../support/screens.ts';
import { keys } from '../../support/terminal.tsx';

const screens = testScreens();

test('create proposes a name, refuses a bad one, adds the remote and shows the push command', async () => {
  await mkdir(join(screens.control.folder, 'x'), { recursive: true });
  const screen = screens.open();
  await screen.shows('gamma');
  await screen.press('c', /Name +[a-z]+-of-[a-z]+-\d{4}/);
  await screen.press(`${keys.ctrlU}Not OK`, 'a name has 1 to 40');
  await screen.press(`${keys.ctrlU}delta${keys.enter}`, 'delta is there');
  expect(screen.frame).toContain('git push wasmcloud main');
  await screen.press('u', 'copied the URL');
  expect(screen.copied.at(-1)).toMatch(/^http:\/\/delta\.localhost/);
  await screen.press(keys.enter, 'delta › overview');
});
