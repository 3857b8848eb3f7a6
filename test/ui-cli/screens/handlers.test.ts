import { expect, test } from 'vitest';
import { testScreens } from '../../support/screens.ts';

const screens = testScreens();

test('the first screen lists the handlers with state, version and figures, in exactly the rows there are', async () => {
  const screen = screens.open();
  await screen.shows('gamma');
  expect(screen.lines).toHaveLength(24);
  expect(screen.lines[0]).toMatch(/127\.0\.0\.1:\d+ › ada +● online$/);
  expect(screen.frame).toMatch(/NAME +STATE +LIVE +REQ\/S +ERRORS/);
  expect(screen.frame).toMatch(/› alpha +live +v4 +0 +1 /);
  expect(screen.frame).toMatch(/ {3}beta +empty +- /);
  for (const text of screen.lines) expect(text.length).toBeLessThanOrEqual(80);
});

test('deleted handlers are shown and hidden by a key, and a part of a name finds them', async () => {
  await screens.control.handler('removed', 'ada');
  const { id } = (await screens.control.handlers.find('removed'))!;
  await screens.control.handlers.delete(id);
  const screen = screens.open();
  await screen.shows('gamma');
  expect(screen.frame).not.toContain('removed');
  await screen.press('D', 'removed');
  await screen.press('/emov', '1 of 4 handlers');
  expect(screen.frame).toMatch(/› removed +deleted/);
});
