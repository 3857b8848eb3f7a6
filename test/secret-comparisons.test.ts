/**
 * Secrets are compared in constant time everywhere: `===` ends at the first letter that differs, and that time tells
 * a caller how much of a guess is right. The rule is over the source: no secret stands beside an operator, in an
 * `equals`, or in a search.
 */
import { globSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

/** Last word of a name that holds a secret: `token`, `push.secret`, `#metricsToken`, `passwordHash`, `envKey`. */
const secretWord =
  /(?:token|secret|password|passwordhash|invite|hmac|signature|credentials?|authorization|firstcode)$/i;
/** What tells nothing of a secret: whether there is one, and of what type or length it is. */
const harmless = /^(?:null|undefined|''|""|``|\d+|'[a-z]+')$/;

/** Comparisons with a secret in `source`, as they stand there. */
function comparisons(source: string): readonly string[] {
  const code = source.replace(/\/\*[\s\S]*?\*\/|(?<![:'"`])\/\/.*/g, '');
  const operand = String.raw`[\w$#.?!\[\]]+(?:\(\))?|'[^']*'|"[^"]*"|\x60[^\x60]*\x60`;
  const operators = new RegExp(String.raw`(${operand})\s*[!=]==?\s*(${operand})`, 'g');
  const calls = /([\w$#.?!]+)\.(?:equals|includes|startsWith|endsWith|indexOf|localeCompare)\(([\w$#.?!]+)/g;
  const found = [...code.matchAll(operators), ...code.matchAll(calls)];
  return found.flatMap(([text, left = '', right = '']) => {
    const isSecret = [left, right].some((side) => secretWord.test(side.replace(/[!?\]]+$/, '')));
    return isSecret && !harmless.test(left) && !harmless.test(right) ? [text.replaceAll(/\s+/g, ' ')] : [];
  });
}

describe('the rule', () => {
  it.each([
    'if (token === given) return;',
    'return given !== push.secret;',
    'const same = options.metricsToken! == other;',
    'expected.equals(this.#secret)',
    'secret.startsWith(given)',
    'row.passwordHash\n  === hash',
  ])('finds %s', (source) => {
    expect(comparisons(source)).toHaveLength(1);
  });

  it.each([
    'if (token === null) return;',
    "if (password !== '') return;",
    'if (typeof token === undefined) return;',
    '// token === given',
    'if (tokenId === other) return;',
    'if (given.length === secret.length) return;',
  ])('lets %s be', (source) => {
    expect(comparisons(source)).toEqual([]);
  });
});

it('no file of the platform compares a secret so that time tells of it', () => {
  const files = globSync(['src/**/*.ts', 'hooks/*']);
  expect(files.length).toBeGreaterThan(200);
  const found = files.flatMap((file) => comparisons(readFileSync(file, 'utf8')).map((text) => `${file}: ${text}`));
  expect(found).toEqual([]);
});

it('what compares secrets takes the same time for each', () => {
  // Every use of the word is one of node:crypto's, or of the function that stands on it.
  const own = readFileSync('src/protocol/same-secret.ts', 'utf8');
  const body = /export function sameSecret[^{]*\{([\s\S]*?)\n\}/.exec(own)?.[1] ?? '';
  expect(body).toContain('timingSafeEqual(');
  expect(body).not.toMatch(/[!=]==/);
});

it('only one file compares in constant time by itself, besides that of passwords, whose tags have one length', () => {
  const users = globSync('src/**/*.ts').filter((file) => readFileSync(file, 'utf8').includes('timingSafeEqual'));
  expect(users.toSorted()).toEqual(['src/control/accounts/passwords.ts', 'src/protocol/same-secret.ts']);
});
