import { expect, test } from 'vitest';
import { type Binding, footerItems, helpRows, keyLabel } from '../../../ui-cli/frame/bindings.ts';
import { type InkKey, toKeyPresses } from '../../../ui-cli/frame/keys.ts';

const none: InkKey = {
  upArrow: false,
  downArrow: false,
  leftArrow: false,
  rightArrow: false,
  pageUp: false,
  pageDown: false,
  home: false,
  end: false,
  return: false,
  escape: false,
  tab: false,
  shift: false,
  backspace: false,
  delete: false,
  ctrl: false,
  meta: false,
};

const names = (input: string, key: Partial<InkKey> = {}) =>
  toKeyPresses(input, { ...none, ...key }).map((press) => press.name);

test('several keys that arrive at once are taken one by one', () => {
  expect(names('jjj')).toEqual(['j', 'j', 'j']);
  expect(names('/ab\r')).toEqual(['/', 'a', 'b', 'enter']);
  expect(names('a\tb\u007f')).toEqual(['a', 'tab', 'b', 'backspace']);
});

test('a character outside the BMP is one key', () => {
  expect(toKeyPresses('👋', none)).toEqual([{ name: '👋', text: '👋' }]);
});

test('special keys have names and write nothing', () => {
  expect(toKeyPresses('', { ...none, pageDown: true })).toEqual([{ name: 'pagedown', text: '' }]);
  expect(names('', { tab: true, shift: true })).toEqual(['shift-tab']);
  expect(names('u', { ctrl: true })).toEqual(['ctrl-u']);
});

test('control bytes inside a chunk are control keys', () => {
  expect(names('\u0015')).toEqual(['ctrl-u']);
});

test('Alt with a letter is not the letter, and a released key is none', () => {
  expect(names('q', { meta: true })).toEqual([]);
  expect(names('q', { eventType: 'release' })).toEqual([]);
});

const nothing = () => undefined;
const bindings: Binding[] = [
  { keys: ['enter'], label: 'open', help: 'open it', run: nothing },
  { keys: ['up', 'k'], help: 'one row up', run: nothing },
  ...['a', 'b', 'c', 'd', 'e', 'f'].map((key) => ({ keys: [key], label: `do ${key}`, help: key, run: nothing })),
  { keys: ['?'], label: 'help', help: 'help', run: nothing },
  { keys: ['esc'], label: 'back', help: 'back', run: nothing },
];

test('the footer holds at most seven keys, the last two always', () => {
  const labels = footerItems(bindings, 200).map((item) => item.label);
  expect(labels).toEqual(['open', 'do a', 'do b', 'do c', 'do d', 'help', 'back']);
});

test('a narrow footer drops keys from the middle', () => {
  expect(footerItems(bindings, 45).map((item) => item.label)).toEqual(['open', 'do a', 'help', 'back']);
});

test('the help lists every binding, labelled or not', () => {
  expect(helpRows(bindings)).toHaveLength(bindings.length);
  expect(helpRows(bindings)[1]).toEqual(['↑ k', 'one row up']);
});

test('keys are shown by the names on them', () => {
  expect(['ctrl-d', 'shift-tab', 'pagedown', ' ', 'G'].map(keyLabel)).toEqual([
    'Ctrl-D',
    'Shift-Tab',
    'PgDn',
    'Space',
    'G',
  ]);
});
