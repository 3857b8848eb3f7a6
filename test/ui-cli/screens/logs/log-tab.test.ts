import { expect, test } from 'vitest';
import { testScreens } from '../../../support/screens.ts';
import { keys } from '../../../support/terminal.tsx';
import { line, record } from '../../../support/ui-cli.ts';

const screens = testScreens();

test('a log line with an escape sequence shows it and does not execute it', async () => {
  const screen = screens.open({ handler: 'alpha', tab: 'logs' });
  await screen.shows('last line');
  expect(screen.frame).toContain('evil ^[[2J^G line');
  expect(screen.frame).not.toContain('\u001b[2J');
});

test('scrolling up pauses and counts what comes; G follows again', async () => {
  const screen = screens.open({ handler: 'alpha', tab: 'logs' });
  await screen.shows('following');
  await screen.press('k', 'PAUSED, 0 new');
  await screens.control.write(line('alpha', 'fresh 1'), line('alpha', 'fresh 2'));
  await screen.shows('PAUSED, 2 new');
  await screen.press('G', 'following');
  expect(screen.frame).toContain('fresh 2');
});

test('e finds the newest error, Enter opens its invocation, Esc comes back to the log', async () => {
  const screen = screens.open({ handler: 'alpha', tab: 'logs' });
  await screen.shows('it broke');
  await screen.press('e', /›\d\d:\d\d:\d\d ERROR it broke/);
  await screen.press(keys.enter, /status +500 \(trapped\)/);
  expect(screen.frame).toMatch(/log_write +1/);
  expect(screen.frame).toContain('it broke');
  await screen.press(keys.esc, '[2 logs]');
});

test('a log filter counts its lines live, and levels step from all to errors', async () => {
  const screen = screens.open({ handler: 'alpha', tab: 'logs' });
  await screen.shows('last line');
  await screen.press('/LAST', /1 of \d+ lines/);
  expect(screen.frame).not.toContain('first line');
  await screen.press(keys.enter, '"LAST"');
  await screen.press(keys.esc, 'first line');
  await screen.press('vvv', /errors: 2 of \d+ lines/);
});

test('g goes to the oldest line shown, and once more fetches older ones', async () => {
  await screens.control.handler('talkative', 'ada');
  const lines = Array.from({ length: 1_200 }, (_, i) => line('talkative', `number ${i}`));
  await screens.control.write(...lines);
  const screen = screens.open({ handler: 'talkative', tab: 'logs' });
  await screen.shows('number 1199');
  await screen.press('g', /›.* number 200$/m);
  await screen.press('g', /›.* number 199$/m);
  await screen.press('gg', 'this is the oldest line that is kept');
});

test('a lost connection is marked in the log, and so is its return', async () => {
  const screen = screens.open({ handler: 'alpha', tab: 'logs' });
  await screen.shows('following');
  await screens.control.pause();
  await screen.shows('-- connection lost');
  await screens.control.write(line('alpha', 'written meanwhile'));
  await screens.control.resume();
  await screen.shows('connected again, nothing was missed');
  await screen.shows('written meanwhile');
});

test('w wraps long lines and cuts them again', async () => {
  await screens.control.handler('wordy', 'ada');
  await screens.control.write(line('wordy', `${'word '.repeat(20)}the end`));
  const screen = screens.open({ handler: 'wordy', tab: 'logs' });
  await screen.shows('word word');
  expect(screen.frame).not.toContain('the end');
  await screen.press('w', 'the end');
  expect(screen.lines).toHaveLength(24);
  screen.type('w');
  await screen.hides('the end');
});

test('a silent function is no blank screen: its calls show, c hides them, Enter opens one', async () => {
  await screens.control.handler('silent', 'ada');
  await screens.control.record({ records: [record('silent', 'aaaaaaaaaaaa-1', { path: '/first' })], counts: [] });
  const screen = screens.open({ handler: 'silent', tab: 'logs' });
  await screen.shows(/CALL {2}GET \/first 200 in 1.2 ms/);
  const broken = record('silent', 'aaaaaaaaaaaa-2', { path: '/second', status: 500, outcome: 'trapped' });
  await screens.control.record({ records: [broken], counts: [] });
  await screen.shows('GET /second 500 (trapped)');
  screen.type('c');
  await screen.hides('GET /first');
  await screen.press('c', 'GET /first');
  await screen.press('/second', '1 of 2 lines');
  await screen.press(keys.enter, '"second"');
  await screen.press('k', '›');
  await screen.press(keys.enter, /status +500 \(trapped\)/);
});
