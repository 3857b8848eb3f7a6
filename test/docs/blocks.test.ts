/** Every fenced block of the book is executed by a test, or named with the reason why none does. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { allBlocks, blocksOf, executions, fencedBlocks, notExecuted, root } from '../support/page-blocks.ts';

const ways = Object.keys(executions) as (keyof typeof executions)[];
const nameOf = ({ page, language }: { page: string; language: string }): string => `${page} ${language}`;

describe('a fenced block', () => {
  it('is executed in one way, or its reason is named', () => {
    const blocks = allBlocks();
    expect(blocks.length).toBeGreaterThan(50);
    const wrong = blocks
      .map((block) => {
        const found: string[] = ways.filter((way) => executions[way].takes(block));
        if (nameOf(block) in notExecuted) found.push('not executed');
        return { where: `${block.page}:${block.line} ${block.language}`, found };
      })
      .filter(({ found }) => found.length !== 1);
    expect(wrong).toEqual([]);
  });

  it('that is named as not executed is there', () => {
    const names = new Set(allBlocks().map(nameOf));
    expect(Object.keys(notExecuted).filter((name) => !names.has(name))).toEqual([]);
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
});
