import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readBook, renderPage } from '../../../src/control/api/book.ts';
import { type Platform, startPlatform } from '../../support/api.ts';

const docs = join(import.meta.dirname, '../../../docs');

describe('a page', () => {
  const paths = new Set(['', 'push', 'abi/cwa']);
  const render = (text: string, file = 'push.md') => renderPage(text, { file, paths }).body;

  test('shows HTML in it as text and runs nothing', () => {
    const body = render(
      '# T\n\n<script>alert(1)</script> a <img src=x onerror=alert(1)> b\n\n[x](javascript:alert(1))',
    );
    expect(body).not.toMatch(/<script|<img|javascript:/);
    expect(body).toContain('&#60;script&#62;');
  });

  test('links to pages of the book by their path, and to nothing outside of it', () => {
    expect(render('[a](abi/cwa.md#errors)')).toContain('<a href="/docs/abi/cwa#errors">a</a>');
    expect(render('[up](../README.md)', 'abi/cwa.md')).toContain('<a href="/docs">up</a>');
    expect(render('[map](../ARCHITECTURE.md) [x](../../../etc/passwd.md)')).not.toContain('<a href="/docs/');
    expect(render('[spec](https://example.com/x?a=1&b=2)')).toContain('href="https://example.com/x?a=1&#38;b=2"');
  });

  test('has anchors at its headings, as GitHub makes them', () => {
    expect(render('## What a push says, and `why`')).toContain('<h2 id="what-a-push-says-and-why">');
  });
});

test('every page of docs/ is in the book, and links between them lead somewhere', async () => {
  const book = await readBook(docs);
  const files = (await readdir(docs, { recursive: true })).filter((file) => file.endsWith('.md'));
  expect(book.size).toBe(files.length);
  for (const [path, { page }] of book)
    for (const [, target = ''] of page.body.matchAll(/href="\/docs\/?([^"#]*)/g))
      expect(book.has(target), `${path} -> ${target}`).toBe(true);
});

describe('the server', () => {
  let platform: Platform;
  beforeAll(async () => {
    platform = await startPlatform();
  });
  afterAll(() => platform.close());
  const get = (path: string, accept = 'text/html') => fetch(platform.url + path, { headers: { accept } });

  test('shows the index and a page below it to a browser, the source to a program', async () => {
    for (const path of ['/docs', '/docs/', '/docs/push', '/docs/abi/cwa']) {
      const answer = await get(path);
      expect([path, answer.status, answer.headers.get('content-type')]).toEqual([
        path,
        200,
        'text/html; charset=utf-8',
      ]);
    }
    expect(await (await get('/docs', '*/*')).text()).toMatch(/^# /);
    expect((await get('/docs', '*/*')).headers.get('content-type')).toBe('text/markdown; charset=utf-8');
  });

  test('imports stay where they were, and what is no page is not found', async () => {
    expect(await (await get('/docs/imports')).text()).toContain('cwa.log_write');
    for (const path of ['/docs/nothing', '/docs/../package.json', '/docs/%2e%2e/package', '/docs/build.ts'])
      expect([path, (await get(path)).status]).toEqual([path, 404]);
  });
});
