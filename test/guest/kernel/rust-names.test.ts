import { expect, test } from 'vitest';
import { readableName } from '../../../src/guest/kernel/rust-names.ts';
import { runGuest } from '../../support/run-guest.ts';
import { wat } from '../../support/wasm.ts';

const legacy = (...parts: readonly string[]) =>
  `_ZN${[...parts, 'h0123456789abcdef'].map((part) => `${part.length}${part}`).join('')}E`;

test.each([
  ['_RNvNtCs6zodBaBdIaD_3std7process5abort', 'std::process::abort'],
  ['_RNCNvNtCs6zodBaBdIaD_3std9panicking13panic_handler0B5_', 'std::panicking::panic_handler::{closure#0}'],
  ['_RNCNvC1a1bs_0', 'a::b::{closure#1}'],
  [
    '_RINvNtNtCs6zodBaBdIaD_3std3sys9backtrace3endNCNvNtB6_9panicking7handler0zEB6_',
    'std::sys::backtrace::end::<std::panicking::handler::{closure#0}, !>',
  ],
  ['_RNvXCskBUSAvRDCcU_5http2NtB2_7ExampleNtC1w5Guest6handle', '<http2::Example as w::Guest>::handle'],
  ['_RNvMs_C1aNtB4_1S1f', '<a::S>::f'],
  [
    '_RINvC1a1bAhj10_RShQeTlETxyEFUKCmEuFEbPuOcE',
    'a::b::<[u8; 16], &[u8], &mut str, (i32,), (i64, u64), unsafe extern "C" fn(u32), fn() -> bool, *const (), *mut char>',
  ],
  ['_RINvC1a1bDNtC1c1tp1Ih NtC1d1uEL_E'.replace(' ', ''), 'a::b::<dyn c::t<I = u8> + d::u>'],
  ['_RINvC1a1bKb1_Kin5_L_E', "a::b::<true, -5, '_>"],
  ['_RNvC1a4abcd.llvm.123', 'a::abcd'],
  [legacy('core', 'panicking', 'panic_fmt'), 'core::panicking::panic_fmt'],
  [legacy('_$LT$a..B$u20$as$u20$c..D$GT$', 'fmt'), '<a::B as c::D>::fmt'],
])('%s is %s', (name, path) => {
  expect(readableName(name)).toBe(path);
});

test.each([
  'main',
  '_ZN3foo3barEv',
  '_ZN9999x',
  '_ZN',
  '_R',
  '_RNvC',
  '_RB_',
  '_RNvB_1a',
  '_RNvC1a9b',
  '_RINvC1a1bTE',
  legacy('$uffffff$'),
  `_R${'NvM'.repeat(500)}`,
  `_RIC1a${'T'.repeat(5000)}`,
])('another name and a malformed one stay as they are: %s', (name) => {
  expect(readableName(name)).toBe(name);
});

test('references back that double a name again and again end soon', () => {
  let name = '_RIC1a';
  for (let place = name.length - 2, step = 0; step < 60; step += 1) {
    const back = `B${base62(place)}`;
    place = name.length - 2;
    name += `T${back}${back}E`;
  }
  expect(readableName(`${name}E`)).toBe(`${name}E`);
});

test('a trap names a function of Rust as a path', async () => {
  const run = await runGuest(
    wat(
      '(module (func $_RNvNtC3std7process5abort unreachable) (func (export "_start") (call $_RNvNtC3std7process5abort)))',
    ),
  );
  expect(run.end).toEqual({ kind: 'trap', message: 'unreachable in std::process::abort' });
});

function base62(value: number): string {
  const digits = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';
  if (value === 0) return '_';
  let text = '';
  for (let rest = value - 1; text === '' || rest > 0; rest = Math.floor(rest / 62)) text = digits[rest % 62] + text;
  return `${text}_`;
}
