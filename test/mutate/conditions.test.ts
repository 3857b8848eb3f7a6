/** What `npm run mutate -- --sample` takes for a protective condition, and what stays without it. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readOwnCode } from '../support/own-code.ts';
import { conditionsOf } from './conditions.ts';

const kinds: readonly (readonly [line: string, kind: string, without: readonly string[]])[] = [
  ['if (size > 9) throw new Error();', 'refusal', ['if (false) throw new Error();']],
  ['if (a || b) return null;', 'refusal', ['if (false || b) return null;', 'if (a || false) return null;']],
  ['if (a) { note(); this.refuse(1); }', 'refusal', ['if (false) { note(); this.refuse(1); }']],
  ['if (a) return Errno.notFound;', 'refusal', ['if (false) return Errno.notFound;']],
  ['while (map.size > limits.keysMax) shift();', 'bound', ['while (false) shift();']],
  ['await this.checkRoom(trx);', 'check', [';']],
  ['x = timingSafeEqual(a, b);', 'check', ['x = true;']],
  ['x = Math.min(asked, limits.bytesMax);', 'clamp', ['x = asked;']],
  ['try { run(); } finally { end(); }', 'release', ['try { run(); } finally {}']],
  ['fetch(url, { signal });', 'signal', ['fetch(url, { signal: undefined });']],
  ["x = db.where('owner_id', '=', id).all();", 'where', ['x = db.all();']],
  ['x = head + escapeHtml(name);', 'escape', ['x = head + name;']],
];

const ordinary = [
  'if (a === null) return null;',
  'if (a) return 3;',
  'if (size > other) add();',
  'x = Math.min(a, b);',
  "x = db.where('id', '=', id).all();",
];

describe('a protective condition', () => {
  it('is found by its form, and taken out alone', () => {
    const lines = [...kinds.map(([line]) => line), ...ordinary];
    const found = conditionsIn(lines.join('\n'));
    expect(found.map(({ kind, line, without }) => ({ kind, line, without: without.split('\n')[line - 1] }))).toEqual(
      kinds.flatMap(([, kind, without], at) => without.map((one) => ({ kind, line: at + 1, without: one }))),
    );
  });
});

function conditionsIn(text: string) {
  const root = mkdtempSync(join(tmpdir(), 'trisiel-conditions-'));
  mkdirSync(join(root, 'src'));
  writeFileSync(join(root, 'tsconfig.json'), '{ "include": ["src"] }');
  writeFileSync(join(root, 'src/a.ts'), text);
  const code = readOwnCode(root);
  try {
    return code.files.flatMap(conditionsOf).map(({ kind, line, start, end, replace }) => ({
      kind,
      line,
      without: text.slice(0, start) + replace + text.slice(end),
    }));
  } finally {
    code.close();
    rmSync(root, { recursive: true, force: true });
  }
}
