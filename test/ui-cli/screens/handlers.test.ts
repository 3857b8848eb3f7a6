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
