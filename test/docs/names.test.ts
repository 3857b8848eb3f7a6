/** Names that users meet beside commands, keys and routes: the book has them all, and no other. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { drainSettingsSchema } from '../../src/control/drains/settings.ts';
import { logLevels } from '../../src/protocol/nouns.ts';
import { exitCodes } from '../../ui-cli/output.ts';
import { pages, root, textOf } from '../support/page-blocks.ts';

/** Returns the first cells of the table behind `text`, those in backticks. */
function namedAfter(page: string, text: string): readonly string[] {
  const [, rest = ''] = textOf(page).split(text);
  const [table = ''] = /(?:^\|.*\n)+/m.exec(rest) ?? [];
  return [...table.matchAll(/^\| (`[^|]*) \|/gm)].flatMap(([, cell = '']) =>
    [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name),
  );
}

describe('a header field of the platform', () => {
  /** What no caller, function or operator sees. */
  const inside = {
    'trisiel-forwarded': 'between controls',
    'trisiel-epoch': 'between controls',
    'trisiel-trigger': 'between control and runners',
    'trisiel-queue-name': 'between control and runners',
    'trisiel-message-id': 'between control and runners',
    'trisiel-message-attempt': 'between control and runners',
    'trisiel-message-count': 'between control and runners',
    'trisiel-schedule-name': 'between control and runners',
    'trisiel-schedule-time': 'between control and runners',
    'trisiel-call-attempt': 'between control and runners',
    'trisiel-lost-output': 'between control and runners',
    'trisiel-probe': 'between control and runners',
    'trisiel-proof': 'between control and runners',
  } as const;
  /** What looks like a field: names of files, of streams, of a program in temporary folders. */
  const others = /^trisiel-(?:backup|copy|git|mark|node|pg|push|reports|sha|demo|cluster|control)(?:-|$)/;
  const sources = globSync('src/**/*.ts', { cwd: root }).filter((file) => !file.startsWith('src/bin/demo'));
  const inCode = new Set(
    sources
      .flatMap((file) => [
        ...readFileSync(join(root, file), 'utf8').matchAll(/['`](trisiel-[a-z]+(?:-[a-z]+)*)(?=['`:=])/gi),
      ])
      .map(([, name = '']) => name.toLowerCase()),
  );
  const outside = [
    ...namedAfter('docs/http.md', 'Fields of an answer that begin with `trisiel-`'),
    ...['trisiel-release', 'trisiel-request', 'trisiel-handler'],
  ];

  it('that the code has is in the book, unless nobody outside sees it', () => {
    expect(inCode.size).toBeGreaterThan(15);
    const unknown = [...inCode].filter((name) => !(name in inside) && !outside.includes(name) && !others.test(name));
    expect(unknown).toEqual([]);
    expect(outside.filter((name) => !textOf('docs/http.md').toLowerCase().includes(`\`${name}\``))).toEqual([]);
  });

  it('of the book is in the code', () => {
    const wrong = pages.flatMap((page) =>
      [...textOf(page).matchAll(/`(trisiel-[a-z-]+)(?=[`:])/gi)]
        .map(([, name = '']) => name.toLowerCase())
        .filter((name) => !outside.includes(name) && !/^trisiel-(?:backup|date|$)/.test(name))
        .map((name) => `${page}: ${name}`),
    );
    expect(wrong).toEqual([]);
    expect([...outside, ...Object.keys(inside)].filter((name) => !inCode.has(name))).toEqual([]);
  });
});

describe('a drain', () => {
  const { shape } = drainSettingsSchema;

  it('of each kind has a row, and no other', () => {
    const kinds = [...textOf('docs/drains.md').matchAll(/^\| `(\w+)` \| `/gm)].map(([, kind = '']) => kind);
    expect(kinds.sort()).toEqual([...shape.kind.options].sort());
  });

  it('has its settings named in the page', () => {
    const page = textOf('docs/drains.md');
    expect(Object.keys(shape).filter((name) => !new RegExp(`["\`]${name}["\`]`).test(page))).toEqual([]);
  });
});

describe('an exit status of wasmcloud', () => {
  it('stands in the page of commands, and no other does', () => {
    const [, row = ''] =
      /\*\*Exit status of `wasmcloud`\.\*\* ([^.]*)\./.exec(textOf('docs/reference/commands.md')) ?? [];
    const shown = [...row.matchAll(/(\d+) [a-z]/g)].map(([, status]) => Number(status));
    expect(shown).toEqual(Object.values(exitCodes));
  });
});

describe('a level of a log line', () => {
  it('that has a name stands in the page on logs with its number, and no other does', () => {
    const [, row = ''] = /smaller ones are more severe: ([^.]*)\./.exec(textOf('docs/logs.md')) ?? [];
    const shown = Object.fromEntries(
      [...row.matchAll(/(\w+) (\d)/g)].map(([, name, number]) => [name, Number(number)]),
    );
    expect(shown).toMatchObject(logLevels);
    expect(Object.keys(shown).filter((name) => !(name in logLevels))).toEqual(['debug', 'trace']);
  });
});
