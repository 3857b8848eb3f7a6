/** The book in Chromium: search, theme and keys, on the server under its policy and in a folder without any server. */
import { globSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeSite } from '../../../docs/site.ts';
import { type Platform, startPlatform } from '../../support/api.ts';
import { browserMissing, openBrowser, type TestBrowser } from '../../support/browser.ts';

if (browserMissing !== null) process.stderr.write(`skipped: the book in a browser: ${browserMissing}\n`);

/** Types into the search field; resolves to what is found, as [URL, text]. */
const searched = (words: string) => `new Promise((resolve) => {
  const list = document.querySelector('form ol');
  new MutationObserver(() => resolve([...list.querySelectorAll('a')].map((a) => [a.href, a.firstChild.textContent]))).observe(list, { childList: true });
  const field = document.querySelector('#search');
  field.focus();
  field.value = ${JSON.stringify(words)};
  field.dispatchEvent(new Event('input'));
})`;

describe.skipIf(browserMissing !== null)('the book in a browser', () => {
  let platform: Platform;
  let browser: TestBrowser;
  let folder: string;
  beforeAll(async () => {
    platform = await startPlatform();
    folder = await mkdtemp(join(tmpdir(), 'trisiel-site-'));
    await writeSite(folder);
    browser = await openBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    await platform?.close();
    await rm(folder, { recursive: true });
  });

  const places = {
    server: { page: () => `${platform.url}/docs/abi/cwa`, found: () => `${platform.url}/docs/manifest` },
    folder: {
      page: () => pathToFileURL(join(folder, 'abi/cwa.html')).href,
      found: () => pathToFileURL(join(folder, 'manifest.html')).href,
    },
  };
  it.each(['server', 'folder'] as const)('finds sections on a %s', async (form) => {
    const { page, found } = places[form];
    const { value, complaints } = await browser.run<readonly [string, string][]>(
      page(),
      searched('handler.policy gas'),
    );
    // Browsers ask for an icon, which there is none of.
    expect(complaints.filter((text) => !text.includes('404'))).toEqual([]);
    expect(value[0]).toEqual([`${found()}#handlerpolicy`, 'wasmcloud.toml: handler.policy']);
  });

  it('has no page that is wider than a telephone, a tablet or a screen, or that axe finds fault with', {
    timeout: 1_200_000,
  }, async () => {
    const pages = globSync('**/*.html', { cwd: folder });
    expect(pages.length).toBeGreaterThan(50);
    const found: string[] = [];
    for (const [index, page] of pages.entries()) {
      const { href } = pathToFileURL(join(folder, page));
      // A telephone, and in turn a tablet and a screen.
      for (const [turn, width] of [360, index % 2 === 0 ? 768 : 1280].entries()) {
        const { overflow, violations } = await browser.look(href, { width, dark: (index + turn) % 2 === 0 });
        if (overflow > 0) found.push(`${page} is ${overflow} pixels too wide for ${width}`);
        found.push(...violations.map((violation) => `${page} at ${width}: ${violation}`));
      }
    }
    expect(found).toEqual([]);
  });

  it('shows what is found as text', async () => {
    const script = `globalThis.trisielBook = [['x', '<img src=x onerror=alert(1)>', '', 'needle <b>bold</b>']];
      document.head.append = (script) => script.onload();
      ${searched('needle')}.then(() => document.querySelector('form ol').innerHTML)`;
    const { value } = await browser.run<string>(places.server.page(), script);
    expect(value).toContain('&lt;img src=x onerror=alert(1)&gt;');
    expect(value).toContain('needle &lt;b&gt;bold&lt;/b&gt;');
  });

  it('is used by keys: / begins a search, arrows go through what is found, Escape ends it', async () => {
    const key = (name: string) =>
      `document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key: '${name}', bubbles: true, cancelable: true }));`;
    const script = `(async () => {
      ${key('/')}
      const field = document.activeElement.id;
      await ${searched('queue')};
      ${key('ArrowDown')}
      const first = document.activeElement === document.querySelector('form ol a');
      ${key('ArrowUp')}
      const back = document.activeElement.id;
      ${key('Escape')}
      return [field, first, back, document.querySelectorAll('form ol a').length];
    })()`;
    expect((await browser.run(places.server.page(), script)).value).toEqual(['search', true, 'search', 0]);
  });

  it('keeps the theme that was chosen', async () => {
    const script = `(() => {
      const button = document.querySelector('header button');
      const seen = [button.textContent];
      for (let i = 0; i < 3; i++) { button.click(); seen.push(button.textContent + getComputedStyle(document.documentElement).colorScheme + localStorage.theme); }
      return seen;
    })()`;
    expect((await browser.run(places.server.page(), script)).value).toEqual([
      'Theme: auto',
      'Theme: lightlightlight',
      'Theme: darkdarkdark',
      'Theme: autolight darkauto',
    ]);
  });

  it('has only the text on paper, which is light', async () => {
    const script = `(() => {
      document.documentElement.dataset.theme = 'dark';
      const shown = (selector) => document.querySelector(selector).checkVisibility();
      return [getComputedStyle(document.documentElement).colorScheme, ...['header', '#pages', '.contents', '.around', 'main h1'].map(shown)];
    })()`;
    const seen = async (media: 'screen' | 'print') => (await browser.run(places.server.page(), script, media)).value;
    expect(await seen('screen')).toEqual(['dark', true, true, true, true, true]);
    expect(await seen('print')).toEqual(['light', false, false, false, false, true]);
  });
});
