/**
 * Packages that the platform is delivered with: their licences are known and free to use with the platform's own, and
 * the list of them (SBOM) is whole.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');

interface Locked {
  readonly version?: string;
  readonly optional?: boolean;
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

it('the list of npm run sbom, CycloneDX, has each of them with its version, not marked as a tool of development', () => {
  const printed = execFileSync('npm', ['run', '--silent', 'sbom'], { cwd: root, encoding: 'utf8', maxBuffer: 2 ** 26 });
  const { bomFormat, components } = JSON.parse(printed) as {
    readonly bomFormat: string;
    readonly components: readonly {
      readonly name: string;
      readonly version: string;
      readonly properties?: readonly { readonly name: string }[];
    }[];
  };
  expect(bomFormat).toBe('CycloneDX');
  const isOfDevelopment = (one: (typeof components)[number]): boolean =>
    (one.properties ?? []).some(({ name }) => name === 'cdx:npm:package:development');
  const listed = new Set(
    components.filter((one) => !isOfDevelopment(one)).map(({ name, version }) => `${name} ${version}`),
  );
  // Optional packages are those for other machines too.
  const wanted = delivered
    .filter(([, { optional }]) => optional !== true)
    .map(([path, { version }]) => `${path.replace(/^.*node_modules\//, '')} ${version}`);
  expect(wanted.filter((one) => !listed.has(one))).toEqual([]);
  expect(components.filter(isOfDevelopment).map(({ name }) => name)).toContain('typescript');
});

it('an expression is judged by all of its parts', () => {
  expect(isAccepted('MIT')).toBe(true);
  expect(isAccepted('(MIT OR GPL-3.0)')).toBe(true);
  expect(isAccepted('MIT AND GPL-3.0')).toBe(false);
  expect(isAccepted('UNLICENSED')).toBe(false);
});
