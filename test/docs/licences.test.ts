/** Licences of the packages that the platform is delivered with: known, and free to use with the platform's own. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');

interface Locked {
  readonly dev?: boolean;
  readonly license?: string;
}

/** SPDX ids that ask for no more than their notice. */
const accepted = new Set([
  ...['0BSD', 'Apache-2.0', 'BlueOak-1.0.0', 'BSD-2-Clause', 'BSD-3-Clause', 'CC0-1.0', 'ISC', 'MIT', 'Python-2.0'],
  ...['Unlicense', 'WTFPL', 'Zlib'],
]);

/** Packages whose entry in the lock file says nothing; read by hand in their own files. */
const readByHand: Readonly<Record<string, string>> = {};

/** Returns whether an SPDX expression allows an accepted licence: one of several with OR, all with AND. */
function isAccepted(expression: string): boolean {
  const text = expression.replace(/^\((.*)\)$/, '$1');
  if (text.includes(' OR ')) return text.split(' OR ').some(isAccepted);
  return text.split(' AND ').every((id) => accepted.has(id.replace(/[()]/g, '').trim()));
}

const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
  readonly packages: Readonly<Record<string, Locked>>;
};
const delivered = Object.entries(packages).filter(([path, { dev }]) => path !== '' && dev !== true);

describe('packages that the platform is delivered with', () => {
  it('are found', () => expect(delivered.length).toBeGreaterThan(50));

  it('have a licence that asks for no more than its notice', () => {
    const others = delivered.flatMap(([path, { license }]) => {
      const name = path.replace(/^.*node_modules\//, '');
      const found = license ?? readByHand[name];
      return found !== undefined && isAccepted(found) ? [] : [`${name}: ${found ?? 'unknown'}`];
    });
    expect(others).toEqual([]);
  });
});

it('an expression is judged by all of its parts', () => {
  expect(isAccepted('MIT')).toBe(true);
  expect(isAccepted('(MIT OR GPL-3.0)')).toBe(true);
  expect(isAccepted('MIT AND GPL-3.0')).toBe(false);
  expect(isAccepted('UNLICENSED')).toBe(false);
});
