/** Every file that a page or a comment names is in the repository, and every link between pages leads somewhere. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { basename, dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');
const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: root,
  encoding: 'utf8',
})
  .split('\n')
  .filter((file) => file !== '');
const known = new Set(files);
const folders = new Set(files.flatMap((file) => parents(file)));
const names = new Set(files.map((file) => basename(file)));
const pages = files.filter((file) => file.endsWith('.md'));
const sources = files.filter(
  (file) => /^(src|ui-cli|hooks|bin|test|bench)\//.test(file) && /(\.(ts|tsx|js)|hooks\/[^.]+)$/.test(file),
);

/** `a/b/c.ts` -> `a`, `a/b`. */
function parents(file: string): string[] {
  const parts = file.split('/').slice(0, -1);
  return parts.map((_part, index) => parts.slice(0, index + 1).join('/'));
}

function read(file: string): string {
  return readFileSync(join(root, file), 'utf8');
}

/**
 * The comments of a program, without what stands in strings that look like comments (URLs have `//` behind a colon).
 */
function comments(source: string): string {
  return [...source.matchAll(/\/\*[\s\S]*?\*\/|(?<![:'"`\w])\/\/[^\n]*/g)].map(([text]) => text).join('\n');
}

/** Heading -> the anchor that renderers of Markdown give it. */
function anchorsOf(page: string): Set<string> {
  return new Set(
    [...page.matchAll(/^#+ +(.*)$/gm)].map(([, title = '']) =>
      title
        .toLowerCase()
        .replace(/[`*]/g, '')
        .replace(/[^\p{L}\p{N} _-]/gu, '')
        .trim()
        .replaceAll(' ', '-'),
    ),
  );
}

/** Paths in text that begin with a folder of ours; placeholders (`NAME`, `<abi>`, `*`, `…`, `{…}`) end a path. */
function pathsIn(text: string): string[] {
  return [...text.matchAll(/(?<![\w./@-])(?:src|ui-cli|hooks|bin|test|bench|docs|fixtures)\/[\w./<>{}*…,-]*/g)].map(
    ([path]) => path.replace(/[.,]+$/, ''),
  );
}

/** What a command prints names files of its program. */
function withoutOutputs(page: string): string {
  return page.replace(/^```console\n[\s\S]*?^```$/gm, (block) => block.replace(/^(?!\$ |```).*$/gm, ''));
}

/** True where `path` is a file or folder of ours; only the part before a placeholder counts. */
function exists(path: string): boolean {
  const hole = path.search(/[<{*…]|\b[A-Z]{3,}\b(?!\.md)/);
  const sure = hole < 0 ? path : path.slice(0, path.lastIndexOf('/', hole));
  const clean = sure.replace(/\/$/, '');
  return known.has(clean) || folders.has(clean) || clean.endsWith('node_modules');
}

/** Pages of the component model's specification, which comments cite by section. */
const specificationPages = ['CanonicalABI.md', 'Explainer.md', 'WIT.md'];

describe('a page', () => {
  it('links to what is there', () => {
    const broken = pages.flatMap((page) => {
      const text = read(page).replace(/```[\s\S]*?```/g, '');
      return [...text.matchAll(/\]\(([^)\s]+)\)/g)]
        .map(([, target = '']) => target)
        .filter((target) => !/^[a-z]+:/.test(target))
        .filter((target) => {
          const [path = '', anchor] = target.split('#');
          const file = path === '' ? page : normalize(join(dirname(page), path));
          if (!known.has(file) && !folders.has(file.replace(/\/$/, ''))) return true;
          return anchor !== undefined && !anchorsOf(read(file)).has(anchor);
        })
        .map((target) => `${page}: ${target}`);
    });
    expect(broken).toEqual([]);
  });

  it('names files that are there', () => {
    const wrong = pages
      .filter((page) => page !== 'CHANGELOG.md')
      .flatMap((page) => {
        // The page of a language shows the files of its scaffold, by their names in it.
        const scaffold = page.replace(/^docs\/languages\/(.*)\.md$/, 'scaffolds/$1/');
        const isThere = (path: string): boolean => exists(path) || known.has(`${scaffold}${path}`);
        return pathsIn(withoutOutputs(read(page))).flatMap((path) => (isThere(path) ? [] : [`${page}: ${path}`]));
      });
    expect(wrong).toEqual([]);
  });
});

describe('a comment', () => {
  it('names files that are there, by path or by name', () => {
    const wrong = sources.flatMap((file) => {
      const text = comments(read(file));
      const byPath = pathsIn(text).filter((path) => !exists(path));
      const byName = [...text.matchAll(/(?<![\w./*<-])[\w-]+\.(?:ts|tsx|md)\b/g)]
        .map(([name]) => name)
        .filter((name) => !names.has(name) && !specificationPages.includes(name));
      return [...byPath, ...byName].map((name) => `${file}: ${name}`);
    });
    expect(wrong).toEqual([]);
  });
});
