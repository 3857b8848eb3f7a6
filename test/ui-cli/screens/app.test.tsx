import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { keys, type OpenOptions, Terminal } from '../../support/terminal.tsx';
import { type Control, line, password, record, startControl } from '../../support/ui-cli.ts';

let control: Control;
let token: string;
let terminal: Terminal;
beforeAll(async () => {
  control = await startControl();
  token = await control.user('ada');
  for (const name of ['alpha', 'beta', 'gamma']) await control.handler(name, 'ada');
  for (const number of [1, 2]) await control.deploy({ handler: 'alpha', user: 'ada', number, state: 'retired' });
  await control.deploy({
    handler: 'alpha',
    user: 'ada',
    number: 3,
    state: 'failed',
    failure: 'no runner could compile it',
  });
  await control.deploy({
    handler: 'alpha',
    user: 'ada',
    number: 4,
    state: 'live',
    policy: { allow: ['^https://api\\.example\\.com/'], disallow: [] },
  });
  await control.write(
    line('alpha', 'first line'),
    line('alpha', 'evil \u001b[2J\u0007 line'),
    line('alpha', 'it broke', { level: 1, invocation: 'i_broken' }),
    line('alpha', 'last line'),
  );
  const counts = {
    handler: 'alpha',
    deployment: 4,
    invocations: 2,
    failures: 1,
    gas: 2_468,
    durationMs: 3,
    bytesIn: 0,
    bytesOut: 9,
  };
  await control.usage.record({
    records: [record('alpha', 'i_fine'), record('alpha', 'i_broken', { status: 500, outcome: 'trapped' })],
    counts: [counts],
  });
});
afterAll(() => control.close());
afterEach(() => terminal.close());

function open(options: Partial<OpenOptions> = {}): Terminal {
  terminal = new Terminal({ control, token, ...options });
  return terminal;
}

test('the first screen lists the handlers with state, version and figures, in exactly the rows there are', async () => {
  const screen = open();
  await screen.shows('gamma');
  expect(screen.lines).toHaveLength(24);
  expect(screen.lines[0]).toMatch(/127\.0\.0\.1:\d+ › ada +● online$/);
  expect(screen.frame).toMatch(/NAME +STATE +LIVE +REQ\/S +ERRORS/);
  expect(screen.frame).toMatch(/› alpha +live +v4 +0 +1 /);
  expect(screen.frame).toMatch(/ {3}beta +empty +- /);
  for (const text of screen.lines) expect(text.length).toBeLessThanOrEqual(80);
});

test('arrows and letters move, Enter opens, Esc goes back, q quits at the root only', async () => {
  const screen = open();
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
  const screen = open();
  await screen.shows('gamma');
  await screen.press('jj/be', '1 of 3 handlers');
  expect(screen.frame).toContain('› beta');
});

test('a filter counts live, takes letters that are shortcuts elsewhere, and Esc clears it', async () => {
  const screen = open();
  await screen.shows('gamma');
  await screen.press('/', '3 of 3 handlers');
  await screen.press('q?', '0 of 3 handlers');
  expect(screen.exits).toBe(0);
  await screen.press(`${keys.ctrlU}gam`, '1 of 3 handlers');
  await screen.press(keys.enter, 'filter: gam');
  await screen.press(keys.esc, 'beta');
});

test('help lists every key that is bound, from the same table', async () => {
  const screen = open({ rows: 50 });
  await screen.shows('gamma');
  const bound = screen.app.screenBindings();
  await screen.press('?', 'Keys here');
  for (const { help } of bound) expect(screen.frame).toContain(help);
  await screen.press(keys.esc, 'NAME');
});

test('the footer shows at most seven keys, all of them valid now', async () => {
  const screen = open();
  await screen.shows('gamma');
  expect(screen.footer).toBe(' Enter open   l logs   c create   / filter   ? help   q quit');
  await screen.press('/', /Enter keep/);
  expect(screen.footer).toContain('↑ move');
});

test(': jumps to a handler by a few letters, and says so when nothing is called that', async () => {
  const screen = open();
  await screen.shows('gamma');
  await screen.press(':', 'places');
  await screen.press('gam lo', '› gamma logs');
  await screen.press(keys.enter, 'gamma › logs');
  await screen.press(':nowhere', 'no screen or handler is called that');
  await screen.press(keys.enter, 'nothing is called nowhere');
});

test('the overview shows where it answers and its figures', async () => {
  const screen = open({ handler: 'alpha' });
  await screen.shows('requests');
  expect(screen.frame).toMatch(/url +http:\/\/alpha\.localhost:\d+/);
  expect(screen.frame).toMatch(/requests +▁+█ /);
  expect(screen.frame).toMatch(/p50 1\.2 ms/);
  expect(screen.lines[0]).toMatch(/live v4 {2}● online/);
});

test('a handler without a deployment says what to type', async () => {
  const screen = open({ handler: 'beta' });
  await screen.shows('Nothing is deployed yet');
  expect(screen.frame).toContain(`git remote add wasmcloud ${control.url}/beta.git`);
  expect(screen.frame).toContain('git push wasmcloud main');
});

test('Tab and Shift-Tab walk through the tabs, digits go to one', async () => {
  const screen = open({ handler: 'alpha' });
  await screen.press(keys.tab, '[2 logs]');
  await screen.press(keys.shiftTab, '[1 overview]');
  await screen.press('5', '[5 limits]');
  await screen.shows('2048 pages');
  expect(screen.frame).toContain('^https://api\\.example\\.com/');
});

test('a log line with an escape sequence shows it and does not execute it', async () => {
  const screen = open({ handler: 'alpha', tab: 'logs' });
  await screen.shows('last line');
  expect(screen.frame).toContain('evil ^[[2J^G line');
  expect(screen.frame).not.toContain('\u001b[2J');
});

test('scrolling up pauses and counts what comes; G follows again', async () => {
  const screen = open({ handler: 'alpha', tab: 'logs' });
  await screen.shows('following');
  await screen.press('k', 'PAUSED, 0 new');
  await control.write(line('alpha', 'fresh 1'), line('alpha', 'fresh 2'));
  await screen.shows('PAUSED, 2 new');
  await screen.press('G', 'following');
  expect(screen.frame).toContain('fresh 2');
});

test('e finds the newest error, Enter opens its invocation, Esc comes back to the log', async () => {
  const screen = open({ handler: 'alpha', tab: 'logs' });
  await screen.shows('it broke');
  await screen.press('e', /›\d\d:\d\d:\d\d ERROR it broke/);
  await screen.press(keys.enter, '500 (trapped)');
  expect(screen.frame).toMatch(/log_write +1/);
  expect(screen.frame).toContain('it broke');
  await screen.press(keys.esc, '[2 logs]');
});

test('a log filter counts its lines live, and levels step from all to errors', async () => {
  const screen = open({ handler: 'alpha', tab: 'logs' });
  await screen.shows('last line');
  await screen.press('/LAST', /1 of \d+ lines/);
  expect(screen.frame).not.toContain('first line');
  await screen.press(keys.enter, '"LAST"');
  await screen.press(keys.esc, 'first line');
  await screen.press('vvv', /errors: 1 of \d+ lines/);
});

test('g goes to the oldest line shown, and once more fetches older ones', async () => {
  await control.handler('talkative', 'ada');
  const lines = Array.from({ length: 1_200 }, (_, i) => line('talkative', `number ${i}`));
  await control.write(...lines);
  const screen = open({ handler: 'talkative', tab: 'logs' });
  await screen.shows('number 1199');
  await screen.press('g', /›.* number 200$/m);
  await screen.press('g', /›.* number 199$/m);
  await screen.press('gg', 'this is the oldest line that is kept');
});

test('a lost connection is marked in the log, and so is its return', async () => {
  const screen = open({ handler: 'alpha', tab: 'logs' });
  await screen.shows('following');
  await control.pause();
  await screen.shows('-- connection lost');
  await control.write(line('alpha', 'written meanwhile'));
  await control.resume();
  await screen.shows('connected again, nothing was missed');
  await screen.shows('written meanwhile');
});

test('old data stays when a refresh fails, with its age and the reason', async () => {
  const screen = open();
  await screen.shows('gamma');
  await control.pause();
  screen.type('r');
  await screen.shows('showing what was there');
  expect(screen.frame).toContain('○ offline');
  expect(screen.frame).toContain('gamma');
  await control.resume();
  await screen.press('r', '● online');
});

test('without any data the screen says what failed and what to do', async () => {
  await control.pause();
  const screen = open();
  await screen.shows('nothing answers at');
  expect(screen.frame).toContain('npm start');
  await control.resume();
  await screen.press('r', 'gamma');
});

test('a rollback previews the change and does it after a yes', async () => {
  const screen = open({ handler: 'alpha', tab: 'deployments' });
  await screen.shows('v1');
  await screen.press('jj', '› v2');
  await screen.press('b', 'alpha: v4 -> v2');
  await screen.press('n', '› v2');
  await screen.press('b', 'alpha: v4 -> v2');
  await screen.press('y', 'alpha: v4 -> v2: live');
  await screen.shows(/v2 +live/);
  await screen.press('k', '› v3');
  await screen.press('b', 'v3 never went live (failed)');
  await screen.press('gb', 'alpha: v2 -> v4');
  await screen.press('y', 'alpha: v2 -> v4: live');
});

test('a value is masked while typed and afterwards; v reveals what was just typed', async () => {
  const screen = open({ handler: 'alpha', tab: 'env' });
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

test('delete asks for the name and takes no other', async () => {
  await control.handler('doomed', 'ada');
  const screen = open({ handler: 'doomed', tab: 'danger' });
  await screen.press('D', 'Type its name');
  await screen.press(`doom${keys.enter}`, 'that is not doomed; nothing was deleted');
  expect(await control.handlers.find('doomed')).not.toBeNull();
  await screen.press(`ed${keys.enter}`, 'doomed is deleted');
  expect(await control.handlers.find('doomed')).toBeNull();
  await screen.press('R', 'doomed is back');
});

test('invoking shows the answer, what it used and what it logged', async () => {
  control.function = async (request, response) => {
    await control.usage.record({ records: [record('alpha', 'i_now', { gas: 77_000 })], counts: [] });
    await control.write(line('alpha', 'was called', { invocation: 'i_now' }));
    response.setHeader('trisiel-invocation', 'i_now');
    response.end(`you asked ${request.url} \u001b[31m`);
  };
  const screen = open({ handler: 'alpha', tab: 'invoke' });
  await screen.shows('live v4');
  await screen.press('e', '› Path');
  await screen.press(`${keys.ctrlU}/deep?x=1${keys.ctrlS}`, '→ 200 OK');
  await screen.shows('gas 77k');
  expect(screen.frame).toContain('you asked /deep?x=1 ^[[31m');
  expect(screen.frame).toContain('was called');
});

test('Esc cancels what takes long, and the step and time show meanwhile', async () => {
  control.function = () => undefined;
  const screen = open({ handler: 'alpha', tab: 'invoke' });
  await screen.shows('live v4');
  await screen.press('s', /… GET \/, \d/);
  expect(screen.footer).toBe(' Esc cancel');
  await screen.press(keys.esc, 'cancelled: GET /');
});

test('create proposes a name, refuses a bad one, adds the remote and shows the push command', async () => {
  await mkdir(join(control.folder, 'x'), { recursive: true });
  const screen = open();
  await screen.shows('gamma');
  await screen.press('c', /Name +[a-z]+-of-[a-z]+-\d{4}/);
  await screen.press(`${keys.ctrlU}Not OK`, 'a name has 1 to 40');
  await screen.press(`${keys.ctrlU}delta${keys.enter}`, 'delta is there');
  expect(screen.frame).toContain('git push wasmcloud main');
  await screen.press('u', 'copied the URL');
  expect(screen.copied.at(-1)).toMatch(/^http:\/\/delta\.localhost/);
  await screen.press(keys.enter, 'delta › overview');
});

test('a local file runs in a process of its own', async () => {
  const screen = open();
  await screen.shows('gamma');
  await screen.press('x', 'hello.wasm, hello.wat or hello.h');
  await screen.press(`my.wasm${keys.tab}"a b" c${keys.enter}`, 'ran run --stats my.wasm a b c');
  await screen.shows('ended with status 0');
});

test('nobody logged in: the login opens, and leads on to the handlers', async () => {
  const screen = open({ token: null });
  await screen.shows('Log in');
  await screen.press(`ada${keys.tab}wrong password${keys.enter}`, 'wrong name or password');
  await screen.press(`${keys.ctrlU}${password}${keys.enter}`, 'gamma');
  expect(screen.logins).toEqual([`ada ${control.url}`]);
  expect(screen.frame).toContain('› ada');
});

test('signing up is one key away, and typed letters stay letters', async () => {
  const screen = open({ token: null });
  await screen.shows('Log in');
  await screen.press(keys.ctrlN, 'Create an account');
  await screen.press(
    `q:?${keys.ctrlU}grace${keys.tab}${password}${keys.tab}${password}${keys.tab}${keys.enter}`,
    'No handlers yet',
  );
  expect(screen.exits).toBe(0);
  expect(screen.frame).toContain('wasmcloud create');
});

test('an expired login opens the login, then comes back to the same screen', async () => {
  const short = (await control.accounts.logIn({ name: 'ada', password, address: '127.0.0.1' })).token;
  const screen = open({ token: short, handler: 'alpha', tab: 'deployments' });
  await screen.shows('› v4');
  const caller = await control.accounts.userOfToken(short);
  await control.accounts.revokeToken(caller?.user.id ?? '', caller?.tokenId ?? '');
  await screen.press('r', 'the login has expired');
  await screen.press(`${password}${keys.enter}`, 'alpha › deployments');
});

test('a resize keeps the selection; below the minimum it says how large it must be', async () => {
  const screen = open({ columns: 120, rows: 40 });
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
    const screen = open({ handler: 'alpha', columns, rows });
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
  const screen = open({ token: null });
  await screen.shows('Log in');
  screen.type(keys.ctrlC);
  expect(screen.exits).toBe(1);
});
