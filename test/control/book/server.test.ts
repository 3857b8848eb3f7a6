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

  test('sends the script and the search index compressed, each coding with its length and its validator', async () => {
    for (const path of ['/docs/book.js', '/docs/search.js']) {
      const seen = new Map<string, string>();
      for (const coding of ['identity', 'gzip', 'zstd']) {
        const answer = await get(path, '*/*', { 'accept-encoding': coding });
        expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'text/javascript; charset=utf-8']);
        expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
        expect(answer.headers.get('vary')?.toLowerCase()).toContain('accept-encoding');
        expect(answer.headers.get('content-encoding') ?? 'identity').toBe(coding);
        // What is compressed anew for each request has no length.
        expect(Number(answer.headers.get('content-length'))).toBeGreaterThan(0);
        const etag = answer.headers.get('etag') ?? '';
        seen.set(etag, coding);
        const again = await get(path, '*/*', { 'accept-encoding': coding, 'if-none-match': etag });
        expect([again.status, again.headers.get('etag')]).toEqual([304, etag]);
      }
      expect([...seen.values()]).toEqual(['identity', 'gzip', 'zstd']);
      expect(seen.has('')).toBe(false);
    }
  });
});
