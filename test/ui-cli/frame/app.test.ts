import { expect, test } from 'vitest';
import { testScreens } from '../../support/screens.ts';
import { keys } from '../../support/terminal.tsx';

const screens = testScreens();

test('arrows and letters move, Enter opens, Esc goes back, q quits at the root only', async () => {
  const screen = screens.open();
  await screen.shows('gamma');
  await screen.press('j', '› beta');
  await screen.press(keys.down, '› gamma');
  await screen.press('k', '› beta');
  await screen.press('G', '› gamma');
  await screen.press('g', '› alpha');
  await screen.press(keys.enter, 'ada › alpha › overview');
  await screen.press(keys.esc, '› alpha ');
  await screen.hides('overview');
  screen.app.press({ name: 'esc', text: '' });
  expect(screen.exits).toBe(0);
  screen.type('q');
  expect(screen.exits).toBe(1);
});

test('keys that arrive in one piece do what they do one by one', async () => {
  const screen = screens.open();
  await screen.shows('gamma');
  await screen.press('jj/be', '1 of 3 handlers');
  expect(screen.frame).toContain('› beta');
});

test('a filter counts live, takes letters that are shortcuts elsewhere, and Esc clears it', async () => {
  const screen = screens.open();
  await screen.shows('gamma');
  await screen.press('/', '3 of 3 handlers');
  await screen.press('q?', '0 of 3 handlers');
  expect(screen.exits).toBe(0);
  await screen.press(`${keys.ctrlU}gam`, '1 of 3 handlers');
  await screen.press(keys.enter, 'filter: gam');
  await screen.press(keys.esc, 'beta');
});

test('help lists every key that is bound, from the same table', async () => {
  const screen = screens.open({ rows: 50 });
  await screen.shows('gamma');
  const bound = screen.app.screenBindings();
  await screen.press('?', 'Keys here');
  for (const { help } of bound) expect(screen.frame).toContain(help);
  await screen.press(keys.esc, 'NAME');
});

test('the footer shows at most seven keys, all of them valid now', async () => {
  const screen = screens.open();
  await screen.shows('gamma');
  expect(screen.footer).toBe(' Enter open   l logs   c create   Q queues   / filter   ? help   q quit');
  await screen.press('/', /Enter keep/);
  expect(screen.footer).toContain('↑ move');
});

test(': jumps to a handler by a few letters, and says so when nothing is called that', async () => {
  const screen = screens.open();
  await screen.shows('gamma');
  await screen.press(':', 'places');
  await screen.press('gam lo', '› gamma logs');
  await screen.press(keys.enter, 'gamma › logs');
  await screen.press(':nowhere', 'no screen or handler is called that');
  await screen.press(keys.enter, 'nothing is called nowhere');
});

test('old data stays when a refresh fails, with its age and the reason', async () => {
  const screen = screens.open();
  await screen.shows('gamma');
  await screens.control.pause();
  screen.type('r');
  await screen.shows('showing what was there');
  expect(screen.frame).toContain('○ offline');
  expect(screen.frame).toContain('gamma');
  await screens.control.resume();
  await screen.press('r', '● online');
});

test('without any data the screen says what failed and what to do', async () => {
  await screens.control.pause();
  const screen = screens.open();
  await screen.shows('nothing answers at');
  expect(screen.frame).toContain('npm start');
  await screens.control.resume();
  await screen.press('r', 'gamma');
});

test('Esc cancels what takes long, and the step and time show meanwhile', async () => {
  screens.control.function = () => undefined;
  const screen = screens.open({ handler: 'alpha', tab: 'invoke' });
  await screen.shows('live v4');
  await screen.press('s', /… GET \/, \d/);
  expect(screen.footer).toMatch(/^ Esc cancel {3}/);
  await screen.press(keys.esc, 'cancelled: GET /');
});

test('while something takes long the other keys work: tabs, help, filters; a second task waits', async () => {
  screens.control.function = () => undefined;
  const screen = screens.open({ handler: 'alpha', tab: 'invoke' });
  await screen.shows('live v4');
  await screen.press('s', /… GET \/, \d/);
  await screen.press('s', 'one thing at a time: Esc cancels it');
  await screen.press('3', '[3 deployments]');
  expect(screen.frame).toMatch(/… GET \/, \d/);
  await screen.press('/v2', '1 of 4 deployments');
  await screen.press(keys.esc, 'cancelled: GET /');
  expect(screen.frame).toContain('1 of 4 deployments');
});

test('clearing a filter keeps the selected item', async () => {
  const screen = screens.open();
  await screen.shows('gamma');
  await screen.press('/gam', '1 of 3 handlers');
  await screen.press(keys.enter, '› gamma');
  await screen.press(keys.esc, 'beta');
  expect(screen.frame).toContain('› gamma');
});

test('hints name the command as this person types it', async () => {
  const screen = screens.open({ handler: 'beta', command: 'npx --prefix ~/trisiel wasmcloud', tab: 'env' });
  await screen.shows('No variables');
  expect(screen.frame).toContain('npx --prefix ~/trisiel wasmcloud env beta set API_KEY');
});

test('Ctrl-Z gives the terminal back, from a text field too', async () => {
  const screen = screens.open({ token: null });
  await screen.shows('Log in');
  screen.type('\u001a');
  await screen.press('ada', 'ada');
  expect(screen.stops).toEqual(['stopped']);
});

test('a resize keeps the selection; below the minimum it says how large it must be', async () => {
  const screen = screens.open({ columns: 120, rows: 40 });
  await screen.shows('gamma');
  expect(screen.frame).toContain('http://gamma.localhost');
  await screen.press('j', '› beta');
  screen.resize(40, 10);
  await screen.shows('too small: need 60x14, have 40x10');
  screen.resize(80, 24);
  await screen.shows('› beta');
  expect(screen.lines).toHaveLength(24);
});

test('no row is wider than the terminal, at its smallest and at a usual size, on any tab', async () => {
  for (const [columns, rows] of [
    [60, 14],
    [80, 24],
  ] as const) {
    const screen = screens.open({ handler: 'alpha', columns, rows });
    await screen.shows('alpha › ');
    for (const tab of ['1', '2', '3', '4', '5', '6', '7', '8']) {
      await screen.press(tab, `[${tab} `);
      expect(screen.lines).toHaveLength(rows);
      for (const text of screen.lines) expect(text.length).toBeLessThanOrEqual(columns);
    }
    screen.close();
  }
});

test('Ctrl-C quits from anywhere, text fields included', async () => {
  const screen = screens.open({ token: null });
  await screen.shows('Log in');
  screen.type(keys.ctrlC);
  expect(screen.exits).toBe(1);
});
