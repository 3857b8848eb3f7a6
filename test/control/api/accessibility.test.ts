/** Pages for a person, in Chromium: wide and narrow, light and dark. PICTURES: a folder for pictures of them. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Platform, startPlatform } from '../../support/api.ts';
import { browserMissing, openBrowser, type TestBrowser } from '../../support/browser.ts';

if (browserMissing !== null) process.stderr.write(`skipped: pages in a browser: ${browserMissing}\n`);

describe.skipIf(browserMissing !== null)('a page in a browser', () => {
  let platform: Platform;
  let browser: TestBrowser;
  beforeAll(async () => {
    platform = await startPlatform();
    browser = await openBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    await platform?.close();
  });

  const inTurn = [
    { width: 1280, dark: false },
    { width: 360, dark: true },
  ];
  const all = [...inTurn, { width: 1280, dark: true }, { width: 360, dark: false }];
  // The book is laid out in one column, two and three.
  const columns = [
    { width: 360, dark: true },
    { width: 1000, dark: false },
    { width: 1440, dark: true },
  ];
  const pages = {
    ...{ '/': all, '/status': all, '/docs/imports': inTurn, '/nothing-here': inTurn },
    ...{ '/docs': inTurn, '/docs/nothing/here': all, '/docs/operations': inTurn, '/docs/first-function': columns },
  };
  it.each(Object.entries(pages).flatMap(([path, looks]) => looks.map((look) => ({ path, ...look }))))(
    '$path at $width pixels (dark: $dark) is accessible, fits, and breaks no rule of its policy',
    async ({ path, width, dark }) => {
      const folder = process.env.PICTURES;
      const name = `${path.replaceAll('/', '_')}-${width}-${dark ? 'dark' : 'light'}.png`;
      const file = folder === undefined ? {} : { file: join(folder, name) };
      const { violations, overflow, complaints } = await browser.look(`${platform.url}${path}`, {
        width,
        dark,
        ...file,
      });
      expect(violations).toEqual([]);
      expect(overflow).toBe(0);
      expect(complaints.filter((text) => !text.includes('404'))).toEqual([]);
    },
  );
});
