/** The book on a server: pages for people, Markdown for programs, the files of both. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Platform, startPlatform } from '../../support/api.ts';

describe('the server', () => {
  let platform: Platform;
  beforeAll(async () => {
    platform = await startPlatform();
  });
  afterAll(() => platform.close());
  const get = (path: string, accept = 'text/html', more: Record<string, string> = {}) =>
    fetch(platform.url + path, { headers: { accept, ...more } });

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
    const paths = ['nothing', '../package.json', '%2e%2e/package', 'build.ts', 'site.ts', '__proto__', 'pictures'];
    for (const path of paths.map((one) => `/docs/${one}`))
      expect([path, (await get(path)).status]).toEqual([path, 404]);
  });

  test('allows a page of the book scripts of its own origin, and none in the page; other pages run none', async () => {
    const page = await get('/docs/push');
    const policy = page.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self';");
    expect(policy).not.toContain('unsafe');
    const scripts = [...(await page.text()).matchAll(/<script[^>]*>([\s\S]*?)<\/script>/g)];
    expect(scripts.map(([, inside]) => inside)).toEqual(['']);
    for (const path of ['/', '/status', '/nothing'])
      expect((await get(path)).headers.get('content-security-policy')).not.toContain('script-src');
  });

  test('sends the script and the search index with a validator, compressed', async () => {
    for (const path of ['/docs/book.js', '/docs/search.js']) {
      const answer = await get(path, '*/*');
      expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'text/javascript; charset=utf-8']);
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
      const etag = answer.headers.get('etag') ?? '';
      expect(etag).not.toBe('');
      expect((await get(path, '*/*', { 'if-none-match': etag })).status).toBe(304);
      expect((await get(path, '*/*', { 'accept-encoding': 'gzip' })).headers.get('content-encoding')).toBe('gzip');
      expect((await get(path, '*/*', { 'accept-encoding': 'identity' })).headers.get('content-encoding')).toBeNull();
    }
  });
});
