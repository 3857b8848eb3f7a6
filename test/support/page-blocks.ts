/** The fenced blocks of README.md and the book, and the test that executes each. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const root = join(import.meta.dirname, '../..');
export const pages: readonly string[] = [...globSync('docs/**/*.md', { cwd: root }), 'README.md'].sort();

export interface PageBlock {
  readonly page: string;
  /** Number of the line that opens it, from 1. */
  readonly line: number;
  /** First word behind the fence; '': none. */
  readonly language: string;
  /** File that it is, behind the language; null: it has no name. */
  readonly file: string | null;
  readonly text: string;
}

/** A way in which blocks are executed. */
interface Execution {
  /** The file that calls `blocksOf` for this way. */
  readonly test: string;
  readonly takes: (block: PageBlock) => boolean;
}

export const executions = {
  /** Typed into a shell, in the order of the page. */
  commands: { test: 'test/docs/examples.test.ts', takes: ({ language }) => language === 'console' },
  /** Written where a command of the page names it. */
  files: {
    test: 'test/docs/examples.test.ts',
    takes: ({ page, language, file }) => page !== 'README.md' && language === 'c' && file !== null,
  },
  /** Compiled by the command in its first line, and run. */
  programs: {
    test: 'test/docs/examples.test.ts',
    takes: ({ page, language }) => page === 'README.md' && language === 'c',
  },
  /** Read as a push reads wasmcloud.toml. */
  manifests: { test: 'test/docs/examples.test.ts', takes: ({ language }) => language === 'toml' },
  /** Assembled, metered, and compared with the page's tables. */
  metered: {
    test: 'test/guest/wasm/meter-page.test.ts',
    takes: ({ page, language }) => page === 'docs/meter.md' && language === 'wat',
  },
  /** Run against a server. */
  client: {
    test: 'test/client/client.test.ts',
    takes: ({ page, language }) => page === 'docs/client.md' && language === 'js',
  },
  /** Built with the library, pushed and called. */
  libraries: { test: 'test/guests/libraries.test.ts', takes: ({ page }) => page === 'docs/guest-libraries.md' },
  /** Files of a scaffold, which is written, built, pushed and called. */
  scaffolds: { test: 'test/e2e/scaffolds.test.ts', takes: ({ page }) => page.startsWith('docs/languages/') },
} as const satisfies Readonly<Record<string, Execution>>;

/** Blocks that no test executes, by page and language, each with its reason. */
export const notExecuted: Readonly<Record<string, string>> = {};

/** Returns the fenced blocks of a page. Throws where one has no end. */
export function fencedBlocks(page: string, text: string): readonly PageBlock[] {
  const blocks: PageBlock[] = [];
  const lines = text.split('\n');
  for (let at = 0; at < lines.length; at += 1) {
    const [, indent = '', fence, words = ''] = /^( *)(`{3,}|~{3,})(.*)$/.exec(lines[at] ?? '') ?? [];
    if (fence === undefined) continue;
    const end = lines.findIndex((line, index) => index > at && line.trim() === fence);
    if (end < 0) throw new Error(`${page}:${at + 1}: a block without an end`);
    const [language = '', file = null] = words.trim().split(/\s+/);
    const body = lines.slice(at + 1, end).map((line) => `${line.replace(indent, '')}\n`);
    blocks.push({ page, line: at + 1, language, file, text: body.join('') });
    at = end;
  }
  return blocks;
}

/** Returns the fenced blocks of all pages. */
export function allBlocks(): readonly PageBlock[] {
  return pages.flatMap((page) => fencedBlocks(page, readFileSync(join(root, page), 'utf8')));
}

/** Returns the blocks that are executed in one way. */
export function blocksOf(way: keyof typeof executions): readonly PageBlock[] {
  return allBlocks().filter((block) => executions[way].takes(block));
}
