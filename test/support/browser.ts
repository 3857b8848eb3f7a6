/**
 * Drives Debian's Chromium with playwright-core, and axe-core for accessibility. When one of them is missing, tests
 * skip and print why.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const chromium = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) =>
  existsSync(path),
);

/** Why no page can be examined; null: one can. */
export const browserMissing: string | null = whyMissing();

export interface Look {
  /** Violations that axe-core finds (WCAG 2.2 A and AA, best practices), one line each. */
  readonly violations: readonly string[];
  /** Pixels by which the page is wider than the window. */
  readonly overflow: number;
  /** Complaints of the browser: refused by the policy, not found. */
  readonly complaints: readonly string[];
}

export interface TestBrowser {
  /** Opens a page and examines it. `file`: path for a picture of the page. */
  look(url: string, how: { readonly width: number; readonly dark: boolean; readonly file?: string }): Promise<Look>;
  /**
   * Opens a page and runs `script` in it; returns its value, and what the browser complained about. `media`: what it is
   * shown on.
   */
  run<T>(
    url: string,
    script: string,
    media?: 'screen' | 'print',
  ): Promise<{ readonly value: T; readonly complaints: readonly string[] }>;
  /** Opens a page, runs `script` in it, and writes what the window shows then to `file`, as PNG. */
  picture(
    url: string,
    how: { readonly width: number; readonly height: number; readonly file: string; readonly script: string },
  ): Promise<void>;
  close(): Promise<void>;
}

/** The part of playwright-core that is used here. */
interface Playwright {
  readonly chromium: {
    launch(options: object): Promise<{
      newContext(options: object): Promise<{
        newPage(): Promise<{
          on(event: 'console' | 'pageerror', hear: (message: unknown) => void): void;
          goto(url: string): Promise<unknown>;
          emulateMedia(options: object): Promise<void>;
          evaluate<T>(script: string): Promise<T>;
          screenshot(options: object): Promise<unknown>;
        }>;
        close(): Promise<void>;
      }>;
      close(): Promise<void>;
    }>;
  };
}

/** `args`: further words of Chromium's command line. */
export async function openBrowser(args: readonly string[] = []): Promise<TestBrowser> {
  const { chromium: driver } = require('playwright-core') as Playwright;
  const axe = await readFile(require.resolve('axe-core/axe.min.js'), 'utf8');
  // As root, and in a container without user namespaces, Chromium's own sandbox does not start. The pages are the
  // platform's own.
  const browser = await driver.launch({
    executablePath: chromium,
    args: ['--no-sandbox', '--disable-dev-shm-usage', ...args],
  });
  return {
    async look(url, { width, dark, file }) {
      const options = { viewport: { width, height: 900 }, colorScheme: dark ? 'dark' : 'light' };
      const context = await browser.newContext(options);
      const page = await context.newPage();
      const complaints: string[] = [];
      page.on('pageerror', (error) => complaints.push(String(error)));
      page.on('console', (message) => complaints.push((message as { text(): string }).text()));
      await page.goto(url);
      const overflow = await page.evaluate<number>('document.documentElement.scrollWidth - window.innerWidth');
      if (file !== undefined) await page.screenshot({ path: file, fullPage: true });
      // The policy applies to what the page loads, not to code that the test runs in it.
      const found = await page.evaluate<readonly { id: string; help: string; nodes: readonly { html: string }[] }[]>(
        `${axe}; axe.run().then(({ violations }) => violations.map(({ id, help, nodes }) => ({ id, help, nodes: nodes.map(({ html }) => ({ html })) })))`,
      );
      await context.close();
      const violations = found.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes[0]?.html}`);
      return { violations, overflow: Math.max(0, overflow), complaints };
    },
    async run<T>(url: string, script: string, media: 'screen' | 'print' = 'screen') {
      const context = await browser.newContext({});
      const page = await context.newPage();
      const complaints: string[] = [];
      page.on('pageerror', (error) => complaints.push(String(error)));
      page.on('console', (message) => complaints.push((message as { text(): string }).text()));
      await page.emulateMedia({ media });
      await page.goto(url);
      const value = await page.evaluate<T>(script);
      await context.close();
      return { value, complaints };
    },
    async picture(url, { width, height, file, script }) {
      const context = await browser.newContext({ viewport: { width, height }, colorScheme: 'light' });
      const page = await context.newPage();
      await page.goto(url);
      await page.evaluate(script);
      await page.screenshot({ path: file });
      await context.close();
    },
    close: () => browser.close(),
  };
}

function whyMissing(): string | null {
  if (chromium === undefined) return 'Chromium is not installed (Debian: apt-get install chromium)';
  try {
    require.resolve('playwright-core');
    require.resolve('axe-core/axe.min.js');
    return null;
  } catch {
    return 'playwright-core or axe-core is not installed (npm ci)';
  }
}
