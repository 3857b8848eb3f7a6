import { expect, test } from 'vitest';
import { testScreens } from '../../support/screens.ts';
import { keys } from '../../support/terminal.tsx';

const screens = testScreens();

test('the overview shows where it answers and its figures', async () => {
  const screen = screens.open({ handler: 'alpha' });
  await screen.shows('requests');
  expect(screen.frame).toMatch(/url +http:\/\/alpha\.localhost:\d+/);
  expect(screen.frame).toMatch(/http:\/\/localhost:\d+\/alpha\//);
  expect(screen.frame).toMatch(/requests +▁+█ /);
  expect(screen.frame).toMatch(/p50 1\.2 ms/);
  expect(screen.lines[0]).toMatch(/live v4 {2}● online/);
});

test('a handler without a deployment says what to type', async () => {
  const screen = screens.open({ handler: 'beta' });
  await screen.shows('Nothing is deployed yet');
  expect(screen.frame).toContain(`git remote add wasmcloud ${screens.control.url}/beta.git`);
  expect(screen.frame).toContain('git push wasmcloud main');
});

test('the deploy branch is chosen without a push', async () => {
  const screen = screens.open({ handler: 'beta' });
  await screen.shows('b branch');
  await screen.press('b', 'Branch whose pushes are deployed to beta');
  await screen.press(`${keys.ctrlU}${keys.enter}`, 'which branch? type its name');
  await screen.press(`${keys.ctrlU}release${keys.enter}`, 'pushes to release deploy beta');
  await screen.shows(/branch +release/);
  await screen.press('b', 'Branch whose pushes are deployed to beta');
  await screen.press(`${keys.ctrlU}main${keys.enter}`, 'pushes to main deploy beta');
});
