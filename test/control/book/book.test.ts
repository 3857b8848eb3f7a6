/** The book as it is rendered: nothing in a page runs, and every link leads somewhere. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, posix } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeSite } from '../../../docs/site.ts';
import { type Book, readBook } from '../../../src/control/book/book.ts';
import { documentOf } from '../../../src/control/book/html.ts';
import { renderMarkdown } from '../../../src/control/book/markdown.ts';
import { siteUrls } from '../../../src/control/book/urls.ts';

const docs = join(import.meta.dirname, '../../../docs');
const folders: string[] = [];
afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true });
});

async function temporary(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'trisiel-book-'));
  folders.push(folder);
  return folder;
}

/** Writes pages into a folder of their own and reads them as a book. */
async function bookOf(pages: Readonly<Record<string, string>>): Promise<Book> {
  const folder = await temporary();
  for (const [file, text] of Object.entries(pages)) {
    await mkdir(dirname(join(folder, file)), { recursive: true });
    await writeFile(join(folder, file), text);
  }
  return readBook(folder);
}

const render = (text: string) => renderMarkdown(text, { link: () => null, picture: () => null });

describe('Markdown', () => {
  test('shows HTML in it as text and runs nothing', () => {
    const { html } = render(
      [
        '# T <svg onload=alert(1)>',
        '<script>alert(1)</script> a <img src=x onerror=alert(1)> b',
        '[x](javascript:alert(1)) <javascript:alert(1)> ![p](javascript:alert(1)) ![p](https://example.com/p.png)',
        '[y](data:text/html,x "t") [z](//example.com/z)',
        '<!-- a --> <script>alert(1)</script>',
        '<!-- a --><script>alert(1)</script><!-- b -->',
        '```"><script>alert(1)</script> "><script>\n</code><script>alert(1)</script>\n```',
        '```c <script>\n// <script>alert(1)</script>\n"<script>"\n```',
        '```__proto__\n<script>\n```',
      ].join('\n\n'),
    );
    const elements = new Set([...html.matchAll(/<(\w+)/g)].map(([, name]) => name));
    expect([...elements].sort()).toEqual(['code', 'h1', 'i', 'p', 'pre', 'span']);
    const attributes = new Set([...html.matchAll(/<\w+ ([^>]*)>/g)].map(([, text]) => text));
    expect([...attributes].sort()).toEqual(['class="file"', 'id="t-svg-onloadalert1"', 'tabindex="0"']);
    expect(html).toContain('&#60;script&#62;');
  });

  test('leaves comments out', () => {
    expect(render('a\n\n<!-- written by a program -->\n\nb').html).toBe('<p>a</p>\n<p>b</p>\n');
  });

  test('has anchors at its headings, as GitHub makes them, each once', () => {
    const { html, headings } = render('## What a push says, and `why`\n\n## Same\n\n## Same\n');
    expect(html).toContain('<h2 id="what-a-push-says-and-why">What a push says, and <code>why</code></h2>');
    expect(headings.map(({ anchor }) => anchor)).toEqual(['what-a-push-says-and-why', 'same', 'same-1']);
    expect(headings[0]?.text).toBe('What a push says, and why');
  });

  test('marks comments, quotes and typed commands', () => {
    expect(render('```c main.c\n#include <a.h>\nputs("// no"); // yes\n```').html).toContain(
      '<p class="file"><code>main.c</code></p>\n<pre tabindex="0"><code>#include &#60;a.h&#62;\nputs(<span>&#34;// no&#34;</span>); <i>// yes</i>\n',
    );
    expect(render('```toml\na = "#1" # one\n```').html).toContain('a = <span>&#34;#1&#34;</span> <i># one</i>');
    expect(render('```console\n$ ls \\\n  -l\n$ none\nout\n```').html).toContain(
      '<b>$ ls \\\n  -l</b>\n<b>$ none</b>\nout\n',
    );
  });
});

describe('a book', () => {
  test('has the order and the parts of its index; pages that the index does not name come last', async () => {
    const book = await bookOf({
      'README.md': '# Index\n\n## One\n\n- [b](b.md)\n- [sub](sub/a.md#x)\n\n## Two\n\n- [b again](b.md) [a](a.md)\n',
      'a.md': '# The A\n\n[b](b.md) [up](sub/a.md#x)\n',
      'b.md': '# The B\n',
      'new.md': '# Not placed yet\n',
      'sub/a.md':
        '# Sub\n\n## X\n\n[index](../README.md) [out](../../etc/passwd.md) [none](none.md) [code](../build.ts)\n',
    });
    expect([...book.pages.keys()]).toEqual(['', 'b', 'sub/a', 'a', 'new']);
    const { body } = book.pages.get('sub/a')?.page ?? { body: '' };
    expect(body).toMatch(
      /<li>One\s*<ul>[\s\S]*The B[\s\S]*<li>Two\s*<ul>[\s\S]*The A[\s\S]*<li>More pages\s*<ul>[\s\S]*Not placed yet/,
    );
    expect(body).toContain('<a href="/docs/sub/a" aria-current="page">Sub</a>');
    expect(body).toContain('<a rel="prev" href="/docs/b">← The B</a>');
    expect(body).toContain('<a rel="next" href="/docs/a">The A →</a>');
    expect(body).toContain('<a href="/docs">index</a> out none code');
    expect(book.pages.get('a')?.page.body).toContain('<a href="/docs/sub/a#x">up</a>');
  });

  test('leads to its own pages and to https addresses, and runs nothing that is written as a link', async () => {
    const written = [
      ...['[a](JaVaScRiPt:alert(1))', '[b](&#106;avascript:alert(1))', '[c](<javascript:alert(1)>)', '<vbscript:d>'],
      ...['[e](data:text/html,x)', '[f](//evil.example/x.md)', '[g]', '[h](https://e.example/"onclick="alert(1))'],
    ];
    const book = await bookOf({ 'README.md': `# I\n\n${written.join(' ')}\n\n[g]: javascript:alert(1)\n` });
    const { body } = book.pages.get('')?.page ?? { body: '' };
    expect(body).toContain('a b c vbscript:d e f g <a href="https://e.example/&#34;onclick=&#34;alert(1)">h</a>');
  });

  test('shows pictures of its own folder and no others', async () => {
    const book = await bookOf({
      'README.md': '# I\n\n![one](pictures/one.png) ![two](pictures/two.png) ![three](../pictures/one.png)\n',
      'pictures/one.png': 'PNG',
      'pictures/page.html': '<script>',
    });
    const { body } = book.pages.get('')?.page ?? { body: '' };
    expect(body).toContain('<img src="/docs/pictures/one.png" alt="one" loading="lazy"> two three');
    expect([...book.files.keys()].sort()).toEqual(['book.js', 'pictures/one.png', 'search.js']);
  });

  test('is searched by sections: text without marks, at the anchor of its heading', async () => {
    const book = await bookOf({
      'README.md': '# I\n\nA **bold**`code` &amp; <b>x</b>.\n\n## Two `words`\n\n| a | b |\n| - | - |\n| c | d |\n',
    });
    const script = String(book.files.get('search.js')?.bytes);
    expect(JSON.parse(script.slice('globalThis.trisielBook = '.length, -2))).toEqual([
      ['./', 'I', 'I', 'A boldcode & <b>x</b>.'],
      ['./#two-words', 'I', 'Two words', 'a b c d'],
    ]);
  });
});

describe('the book of this repository', () => {
  let book: Book;
  beforeAll(async () => {
    book = await readBook(docs);
  });

  test('has every page of docs/', async () => {
    const files = (await readdir(docs, { recursive: true })).filter((file) => file.endsWith('.md'));
    expect(book.pages.size).toBe(files.length);
  });

  test('has every page placed in its index: add a line to docs/README.md for each of these', () => {
    const { body } = book.pages.get('')?.page ?? { body: '' };
    const [, unplaced = ''] = body.split('<li>More pages');
    expect([...unplaced.matchAll(/href="([^"]*)"/g)].map(([, href]) => href)).toEqual([]);
  });

  test('has one heading of the first level on each page, and no level left out', () => {
    const wrong = [...book.pages].flatMap(([path, { page }]) => {
      const depths = [...page.body.matchAll(/<h(\d) id=/g)].map(([, depth]) => Number(depth));
      const fine = depths[0] === 1 && depths.slice(1).every((depth, at) => depth > 1 && depth <= (depths[at] ?? 0) + 1);
      return fine ? [] : [`${path}: ${depths}`];
    });
    expect(wrong).toEqual([]);
  });

  test.each(['server', 'site'])('has no dead link on a %s, anchors included', async (form) => {
    const { pages, files } = form === 'server' ? book : await readBook(docs, siteUrls());
    const bodies = new Map([...pages].map(([path, { page }]) => [path, documentOf(page)]));
    const broken = [...bodies].flatMap(([path, html]) =>
      [...html.matchAll(/(?:href|src|data-index)="([^"]*)"/g)]
        .map(([, href = '']) => href)
        .filter((href) => !/^https?:/.test(href) && href !== '/')
        .filter((href) => {
          const [place = '', anchor] = href.split('#');
          const found = place === '' ? path : pathIn(place, path, form);
          const to = bodies.get(found);
          if (to === undefined) return !files.has(found);
          return anchor !== undefined && !to.includes(` id="${anchor}"`);
        })
        .map((href) => `${path}: ${href}`),
    );
    expect(broken).toEqual([]);
  });

  test('is searched in sections that exist', () => {
    const script = String(book.files.get('search.js')?.bytes);
    const rows = JSON.parse(script.slice('globalThis.trisielBook = '.length, -2)) as readonly [string, string][];
    expect(rows.length).toBeGreaterThan(200);
    const wrong = rows.filter(([url]) => {
      const [path = '', anchor] = url.split('#');
      const page = book.pages.get(path === './' ? '' : path);
      return page === undefined || (anchor !== undefined && !page.page.body.includes(` id="${anchor}"`));
    });
    expect(wrong).toEqual([]);
  });

  /** Returns the path of the page, or the name of the file, that a link leads to. */
  function pathIn(place: string, from: string, form: string): string {
    if (form === 'server') return place.replace(/^\/docs\/?/, '');
    const file = posix.normalize(posix.join(posix.dirname(from === '' ? 'index' : from), place));
    return file === 'index.html' ? '' : file.replace(/\.html$/, '');
  }
});

describe('the static site', () => {
  test('is written anew each time, into a folder of its own only', async () => {
    const folder = await temporary();
    const pages = await writeSite(folder);
    await writeFile(join(folder, 'gone.html'), 'of an earlier book');
    expect(await writeSite(folder)).toBe(pages);
    const names = await readdir(folder, { recursive: true });
    expect(names.filter((name) => name.endsWith('.html'))).toHaveLength(pages + 1);
    expect(names).toEqual(expect.arrayContaining(['index.html', 'abi/cwa.html', 'book.js', 'search.js']));
    expect(names).not.toContain('gone.html');
    expect(await readFile(join(folder, 'abi/cwa.html'), 'utf8')).toContain('<script src="../book.js"></script>');
    const foreign = await temporary();
    await writeFile(join(foreign, 'thesis.txt'), 'mine');
    await expect(writeSite(foreign)).rejects.toThrow('not empty');
    expect(await readdir(foreign)).toEqual(['thesis.txt']);
  });

  test('has a page for paths without one, whose links lead to files from any path', async () => {
    const folder = await temporary();
    for (const base of ['/', '/book/of/it/']) {
      await writeSite(folder, base);
      const page = await readFile(join(folder, '404.html'), 'utf8');
      expect(page).toContain('There is no such page');
      const links = [...page.matchAll(/(?:href|src|data-index)="([^"#]+)"/g)].map(([, link = '']) => link);
      expect(links.length).toBeGreaterThan(30);
      for (const link of links) {
        expect(link.startsWith(base), link).toBe(true);
        expect(await readdir(join(folder, dirname(link.slice(base.length))))).toContain(posix.basename(link));
      }
    }
    await expect(writeSite(folder, 'book')).rejects.toThrow('/book/');
  });
});
