/**
 * Words in backticks that look like names of something (variables, keys, codes, options) are names of something in the
 * code.
 */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { manifestKeys } from '../../docs/reference.ts';
import { handlerRoles } from '../../src/protocol/nouns.ts';
import { pages, root, textOf } from '../support/page-blocks.ts';

const code = globSync(
  [
    '{src,ui-cli,bin,hooks,client,deploy,scaffolds,guests}/**/*',
    'fixtures/{build.ts,guests/**/*.{c,cc,h,wat,mjs}}',
    '{package.json,Containerfile}',
  ],
  { cwd: root, withFileTypes: true },
)
  .filter((entry) => entry.isFile() && !/\.(?:wasm|png|gz)$/.test(entry.name))
  .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'))
  .join('\n');
const words = new Set([...(code.match(/\w+(?:[-.]\w+)*/g) ?? []), ...manifestKeys().map(([key]) => key)]);
for (const word of [...words]) for (const part of word.split('.')) words.add(part);

/** What a word may look like: a_b, A_B, aB, AaBb, a-b, a.b, --a. */
const isName =
  /^(?:(?:[A-Z][a-z]+){2,}|[a-z]+(?:_[a-z0-9]+)+|[A-Z]+(?:_[A-Z0-9]+)+|[a-z]+[A-Z]\w*|[a-z]+(?:-[a-z]+)+|[a-z]+(?:\.[a-z_]+)+|--[a-z]+(?:-[a-z]+)*)$/;

/** Names of other programs, of specifications and of examples, by page. */
const ofOthers: Readonly<Record<string, readonly string[]>> = {
  'docs/abi/land.md': ['env.write', 'env.resource_write'],
  'docs/abi/wasi3.md': ['cancelled-before-returned'],
  'docs/coming-from.md': [
    ...['modules.toml', 'allowed_hosts', 'spin.toml', 'allowed_outbound_hosts', 'wrangler.toml', 'worker.js'],
  ],
  'docs/http.md': ['HTTP_NAME'],
  'docs/languages/c.md': ['wasm-ld'],
  'docs/logs.md': ['http.path'],
  'docs/tracing.md': ['OTEL_EXPORTER_OTLP_HEADERS'],
};

/**
 * Returns the words of a page in backticks that look like a name, options of a command with their command's other
 * words.
 */
function namesIn(page: string): readonly string[] {
  const prose = textOf(page).replace(/^ *```[\s\S]*?^ *```$/gm, '');
  return [...prose.matchAll(/`([^`\n]+)`/g)]
    .flatMap(([, text = '']) => (text.startsWith('--') ? [text.split(/[ =]/)[0] ?? ''] : [text]))
    .filter((text) => isName.test(text));
}

it('of the book are in the code', () => {
  expect(pages.flatMap(namesIn).length).toBeGreaterThan(1_000);
  const wrong = pages.flatMap((page) =>
    [...new Set(namesIn(page))]
      .filter((name) => !words.has(name.replace(/^--|_FILE$/g, '')) && !(ofOthers[page] ?? []).includes(name))
      .map((name) => `${page}: ${name}`),
  );
  expect(wrong).toEqual([]);
});

it('of units of systemd are their lines', () => {
  const units = globSync('deploy/systemd/*', { cwd: root }).map((file) => readFileSync(join(root, file), 'utf8'));
  const lines = new Set(units.join('\n').split('\n'));
  const shown = pages.flatMap((page) =>
    [...textOf(page).matchAll(/`((?:[A-Z][a-z]+)+=[^`]*)`/g)].map(([, line = '']) => `${page}: ${line}`),
  );
  expect(shown.length).toBeGreaterThan(0);
  expect(shown.filter((one) => !lines.has(one.replace(/^.*?: /, '')))).toEqual([]);
});

it('of others are still in their page', () => {
  const gone = Object.entries(ofOthers).flatMap(([page, names]) =>
    names.filter((name) => !namesIn(page).includes(name)),
  );
  expect(gone).toEqual([]);
});

/** Returns the first cells of the first table behind `text`, without backticks. */
function rowsAfter(page: string, text: string): readonly string[] {
  const [, rest = ''] = textOf(page).split(text);
  const [table = ''] = /(?:^\|.*\n)+/m.exec(rest) ?? [];
  return [...table.matchAll(/^\| ([^|]+?) \|/gm)].slice(2).map(([, cell = '']) => cell.replaceAll('`', ''));
}

describe('a table has a row for each', () => {
  it('CGI variable', () => {
    const source = readFileSync(join(root, 'src/runner/cgi-request.ts'), 'utf8');
    const set = new Set([...source.matchAll(/env\.set\('([A-Z_]+)'/g)].map(([, name = '']) => name));
    const shown = rowsAfter('docs/http.md', '## Environment').flatMap((cell) => cell.split(', '));
    const elsewhere = ['SCRIPT_NAME', 'TRACEPARENT', 'HTTP_TRACEPARENT'];
    for (const name of elsewhere)
      expect(`${textOf('docs/http.md')}${textOf('docs/tracing.md')}`).toContain(`\`${name}\``);
    // HTTP_HOST is one of HTTP_NAME.
    expect([...set].filter((name) => ![...shown, ...elsewhere, 'HTTP_HOST'].includes(name))).toEqual([]);
    expect(shown.filter((name) => !set.has(name) && name !== 'HTTP_NAME')).toEqual([]);
  });

  it('key of the manifest', () => {
    const keys = manifestKeys().map(([key]) => key);
    const known = new Set([...keys, ...keys.map((key) => key.split('.')[0])]);
    const shown = rowsAfter('docs/manifest.md', '```\n\n| key').flatMap((cell) => cell.split(', '));
    expect(shown.length).toBeGreaterThan(8);
    expect(shown.filter((key) => !known.has(key))).toEqual([]);
  });

  it('limit', () => {
    const limits = manifestKeys()
      .map(([key]) => key)
      .filter((key) => key.startsWith('limits.') && key !== 'limits.exact-memory')
      .map((key) => key.slice('limits.'.length));
    expect([...rowsAfter('docs/limits.md', "server's maximum:")].sort()).toEqual(limits.sort());
  });

  it('role', () => {
    expect(rowsAfter('docs/teams.md', 'Others get a role on it:')).toEqual([...handlerRoles]);
  });
});
