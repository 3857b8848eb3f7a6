/** docs/glossary.md: its words are used, and every noun that users meet stands in it. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { pages, root, textOf } from '../support/page-blocks.ts';

const words = [...textOf('docs/glossary.md').matchAll(/^\| ([^|]+?) \| /gm)]
  .flatMap(([, cell = '']) => cell.split(', '))
  .filter((word) => word !== 'word' && word !== '---');
/** Pages and code where a word of the glossary has to be met, those that only explain words left out. */
const texts = [
  ...pages.filter((page) => !['docs/glossary.md', 'docs/nouns.md'].includes(page)).map(textOf),
  ...globSync('ui-cli/text/*.ts', { cwd: root }).map((file) => readFileSync(join(root, file), 'utf8')),
].join('\n');

it.each(words)('%s is used in the book', (word) => {
  expect(texts).toMatch(new RegExp(`\\b${word}(?:s|es)?\\b`, 'i'));
});

it('each word stands in it once', () => {
  expect(words.length).toBeGreaterThan(40);
  expect([...new Set(words)]).toEqual(words);
});

it('has every noun of docs/nouns.md, unless only the code has it', () => {
  /** Nouns of the code: names of its parts, and what they hand to each other. */
  const ofCode = [
    ...['actor', 'transfer', 'handler name', 'handler id', "deployment's state", 'rollout', 'label', 'slug', 'fields'],
    ...[
      "message's state",
      'call',
      "call's state",
      "domain's state",
      'subscription',
      'proof',
      'trigger',
      'settings',
      'entry',
    ],
    ...[
      'key',
      'kept answer',
      'export',
      'view',
      'backup',
      'archive',
      'finding of the doctor',
      'home',
      'record',
      'lease',
    ],
    ...['place', 'mark', 'spool', 'serving'],
  ];
  const nouns = [...(textOf('docs/nouns.md').split('## Verbs')[0] ?? '').matchAll(/^\| ([^|]+?) \| /gm)]
    .flatMap(([, cell = '']) => cell.split(', '))
    .map((noun) => noun.replace(/([a-z])([A-Z])/g, '$1 $2').toLowerCase())
    .filter((noun) => noun !== 'noun' && noun !== '---');
  const known = new Set(words.map((word) => word.toLowerCase()));
  expect(nouns.length).toBeGreaterThan(30);
  expect(nouns.filter((noun) => !known.has(noun) && !ofCode.includes(noun))).toEqual([]);
  expect(ofCode.filter((noun) => !nouns.includes(noun))).toEqual([]);
});
