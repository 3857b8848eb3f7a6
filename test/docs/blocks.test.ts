/**
 * Every block of code in README.md, the book and the pages for contributors is executed or compared by a test; blocks
 * in a form that no test sees are refused.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Marked } from 'marked';
import { describe, expect, it } from 'vitest';
import {
  allBlocks,
  blocksOf,
  contributorPages,
  executions,
  fencedBlocks,
  pages,
  root,
  textOf,
} from '../support/page-blocks.ts';

const ways = Object.keys(executions) as (keyof typeof executions)[];

describe('a block of code', () => {
  it('is executed in one way', () => {
    const blocks = allBlocks();
    expect(blocks.length).toBeGreaterThan(50);
    const wrong = blocks
      .map((block) => {
        const found = ways.filter((way) => executions[way].takes(block));
        return { where: `${block.page}:${block.line} ${block.language}`, found };
      })
      .filter(({ found }) => found.length !== 1);
    expect(wrong).toEqual([]);
  });

  it.each(ways)('of the way %s is there, and the test asks for it', (way) => {
    expect(blocksOf(way).length).toBeGreaterThan(0);
    expect(readFileSync(join(root, executions[way].test), 'utf8')).toContain(`blocksOf('${way}')`);
  });

  it('is found with any fence, indented or not', () => {
    const text = 'a\n```c x.c\nint i;\n```\n  ~~~\n  b\n    c\n  ~~~\n````md\n```\n````\n';
    expect(fencedBlocks('p.md', text)).toEqual([
      { page: 'p.md', line: 2, language: 'c', file: 'x.c', text: 'int i;\n' },
      { page: 'p.md', line: 5, language: '', file: null, text: 'b\n  c\n' },
      { page: 'p.md', line: 9, language: 'md', file: null, text: '```\n' },
    ]);
    expect(() => fencedBlocks('p.md', '```\n')).toThrow('p.md:1');
  });

  it.each([...pages, ...contributorPages])('of %s is fenced, as the pages are rendered', (page) => {
    const rendered = codeIn(textOf(page));
    expect(rendered.filter(({ isFenced }) => !isFenced)).toEqual([]);
    expect(rendered.map(({ text }) => text)).toEqual(
      fencedBlocks(page, textOf(page)).map(({ text }) => text.trimEnd()),
    );
  });

  it('in another form is refused', () => {
    const forms = [
      'a\n\n    indented\n',
      '- a\n\n      in a list\n',
      '> a\n>\n>     quoted\n',
      '<pre>\nhtml\n</pre>\n',
    ];
    for (const text of forms) expect(codeIn(text).map(({ isFenced }) => isFenced)).toEqual([false]);
    expect(codeIn('- a\n\n  ```sh\n  b\n  ```\n').map(({ isFenced }) => isFenced)).toEqual([true]);
  });
});

describe('a drawing', () => {
  it.each(blocksOf('drawings'))(
    'is none of commands, and names files that are there: $page, line $line',
    ({ page, text }) => {
      expect(text).toMatch(/->|<-|\|/);
      expect(text).not.toMatch(/^\s*(?:\$ |(?:wasmcloud|trisiel|npm|curl|cd) )/m);
      const folder = page === 'docs/meter.md' ? 'src/guest/wasm/meter/' : '';
      const files = [...text.matchAll(/(?<![\w/-])[\w/-]+\.ts\b|\bsrc\/[\w/-]+(?![\w/.-])/g)].map(([file]) => file);
      expect(files.filter((file) => !existsSync(join(root, file.includes('/') ? '' : folder, file)))).toEqual([]);
    },
  );
});

/** Returns the code of a page as Markdown has it, and whether a test would see it. */
function codeIn(page: string): readonly { readonly text: string; readonly isFenced: boolean }[] {
  const found: { text: string; isFenced: boolean }[] = [];
  const marked = new Marked({ gfm: true });
  marked.use({
    walkTokens(token) {
      if (token.type === 'code')
        found.push({ text: token.text.trimEnd(), isFenced: token.codeBlockStyle !== 'indented' });
      if (token.type === 'html' && /<(?:pre|code)\b/i.test(token.text))
        found.push({ text: token.text, isFenced: false });
    },
  });
  marked.parse(page);
  return found;
}
