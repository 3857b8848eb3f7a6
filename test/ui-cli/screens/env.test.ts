import { expect, test } from 'vitest';
import { testScreens } from '../../support/screens.ts';
import { keys } from '../../support/terminal.tsx';

const screens = testScreens();

test('a value is masked while typed and afterwards; v reveals what was just typed', async () => {
  const screen = screens.open({ handler: 'alpha', tab: 'env' });
  await screen.shows('No variables');
  await screen.press('a', 'Set a variable');
  await screen.press(`API_KEY${keys.tab}hunter2-and-more`, '•••');
  expect(screen.frame).not.toContain('hunter2');
  await screen.press(keys.ctrlR, 'hunter2-and-more');
  await screen.press(keys.enter, 'set API_KEY');
  await screen.shows('typed just now');
  expect(screen.frame).not.toContain('hunter2');
  await screen.press('v', 'hunter2-and-more');
  await screen.press('d', 'Unset API_KEY?');
  await screen.press('y', 'No variables');
});

test('a pasted secret of several lines arrives as pasted, and an empty value is refused', async () => {
  const screen = screens.open({ handler: 'gamma', tab: 'env' });
  await screen.shows('No variables');
  await screen.press('a', 'Set a variable');
  await screen.press(`PEM${keys.tab}${keys.enter}`, 'PEM needs a value; nothing was set');
  const secret = '-----BEGIN X-----\nQUJD\n-----END X-----\n';
  await screen.press(`\u001b[200~${secret.replaceAll('\n', '\r')}\u001b[201~`, '(4 lines)');
  await screen.press(keys.enter, 'set PEM; new');
  const { id } = await screens.control.db
    .selectFrom('handlers')
    .select('id')
    .where('name', '=', 'gamma')
    .executeTakeFirstOrThrow();
  expect(await screens.control.env.envOf(id)).toEqual({ PEM: secret });
});
