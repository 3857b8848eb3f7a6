import { test } from 'vitest';
import { testScreens } from '../../support/screens.ts';
import { keys } from '../../support/terminal.tsx';

const screens = testScreens();

test('a local file runs in a process of its own', async () => {
  const screen = screens.open();
  await screen.shows('gamma');
  await screen.press('x', 'hello.wasm, hello.wat or hello.h');
  await screen.press(`my.wasm${keys.tab}"a b" c${keys.enter}`, 'ran run --stats my.wasm a b c');
  await screen.shows('ended with status 0');
});
