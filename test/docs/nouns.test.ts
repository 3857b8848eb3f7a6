/** docs/nouns.md against the code: one name for one idea. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');
const page = read('docs/nouns.md');
const [nouns = '', verbs = ''] = page.split('## Verbs');

/** Names of the classes, interfaces and types that `source` exports. */
function exportedTypes(source: string): readonly string[] {
  return [...source.matchAll(/^export (?:abstract )?(?:class|interface|type) (\w+)/gm)].map(([, name = '']) => name);
}

/** Returns the text of `export type NAME = …;` up to the blank line behind it: objects in it end lines with `;` too. */
function declaration(source: string, name: string): string {
  return new RegExp(`^export type ${name}\\b[\\s\\S]*?;\\n\\n`, 'm').exec(`${source}\n`)?.[0] ?? '';
}

describe('the table of nouns', () => {
  it('names types that the file beside them exports', () => {
    const named = [...nouns.matchAll(/`(\w+)`(?:, `(\w+)`)? in `(src\/[\w/.-]+)`/g)];
    expect(named.length).toBeGreaterThan(10);
    const wrong = named.flatMap(([, first, second, file = '']) => {
      const names = exportedTypes(read(file));
      return [first, second]
        .filter((name) => name !== undefined && !names.includes(name))
        .map((name) => `${file}: ${name}`);
    });
    expect(wrong).toEqual([]);
  });
});

describe('the table of verbs', () => {
  const known = new Set([...verbs.matchAll(/`([\w.]+)`/g)].map(([, word = '']) => word));
  const messages = read('src/protocol/messages.ts');

  it.each([
    ['ToRunner', 'drain'],
    ['FromRunner', 'request'],
    ['BusRequest', 'queue.publish'],
    ['CallBusRequest', 'call.answer'],
    ['RunnerRequest', 'artifact.get'],
  ])('has every message of %s', (name, last) => {
    const text = declaration(messages, name);
    const kinds = [...text.matchAll(/readonly (?:kind|op): '([\w.]+)'/g)].map(([, kind = '']) => kind);
    // The last one shows that the declaration was read to its end.
    expect(kinds.at(-1)).toBe(last);
    expect(kinds.filter((kind) => !known.has(kind))).toEqual([]);
  });

  it('has every operation of every port', () => {
    const ports = read('src/protocol/ports.ts');
    const operations = [...ports.matchAll(/^ {2}(\w+)\(/gm)].map(([, operation = '']) => operation);
    expect(operations.length).toBeGreaterThan(5);
    expect(operations.filter((operation) => !known.has(operation))).toEqual([]);
  });
});

describe('an exported name', () => {
  it('stands for one idea in src', () => {
    const files = new Map<string, string[]>();
    for (const file of globSync('src/**/*.ts', { cwd: root }))
      for (const name of exportedTypes(read(file))) files.set(name, [...(files.get(name) ?? []), file]);
    const twice = [...files].filter(([, places]) => places.length > 1).map(([name, places]) => `${name}: ${places}`);
    expect(twice).toEqual([]);
  });
});
