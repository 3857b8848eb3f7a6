import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { durationText, statusHtml, statusJson } from '../../../src/control/api/status-page.ts';
import { type Platform, startPlatform } from '../../support/api.ts';

let platform: Platform;
beforeAll(async () => {
  platform = await startPlatform();
});
afterAll(() => platform.close());

interface Got {
  readonly status: number;
  readonly type: string;
  readonly policy: string;
  readonly text: string;
}

const browser = { accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8' };

/** fetch does not let its caller set Host. */
function get(path: string, headers: Record<string, string> = {}): Promise<Got> {
  return new Promise((resolve, reject) => {
    const sent = request(platform.url + path, { headers }, async (response) => {
      resolve({
        status: response.statusCode ?? 0,
        type: response.headers['content-type'] ?? '',
        policy: String(response.headers['content-security-policy']),
        text: await text(response),
      });
    });
    sent.on('error', reject);
    sent.end();
  });
}

describe('the front page', () => {
  test("tells a person how to log in, push, and see logs, with the server's own addresses", async () => {
    const { status, type, policy, text } = await get('/', browser);
    expect([status, type]).toEqual([200, 'text/html; charset=utf-8']);
    expect(text).toContain(`export WASMCLOUD_SERVER=${platform.url}`);
    for (const words of ['wasmcloud signup', 'git push wasmcloud main', 'wasmcloud logs --follow'])
      expect(text).toContain(words);
    expect(text).toContain(`<a href="${platform.url}/docs">`);
    expect(text).toContain('http://NAME.localhost:3003');
    expect(text).toContain('http://localhost:3003/NAME/');
    // No script runs, and only the page's own style applies.
    expect(policy).toMatch(/^default-src 'none'; style-src 'sha256-[^']+'; /);
  });

  test('tells a program the same in plain text', async () => {
    const { type, text } = await get('/');
    expect(type).toBe('text/plain; charset=utf-8');
    expect(text).toContain(`    export WASMCLOUD_SERVER=${platform.url}\n`);
    expect(text).not.toContain('<');
  });
});

describe('/status', () => {
  test('tells everybody versions, uptime and whether it can serve, and nothing else', async () => {
    const { status, text } = await get('/status');
    expect(status).toBe(200);
    expect(JSON.parse(text)).toEqual({
      ready: true,
      version: '0.0.0',
      node: process.versions.node,
      database: process.env.TEST_DATABASE ?? 'sqlite',
      uptimeS: expect.any(Number),
    });
  });

  test('is a page for a browser, without script', async () => {
    const { type, policy, text } = await get('/status', browser);
    expect(type).toBe('text/html; charset=utf-8');
    expect(text).toContain('<h1>This server is ready</h1>');
    expect(policy).toMatch(/^default-src 'none'; style-src 'sha256-[^']+'; /);
  });

  test('says why a server cannot serve, with every text escaped', () => {
    const facts = { version: '1', node: '26', database: 'postgres', uptimeS: 90_061 } as const;
    const page = statusHtml({ ...facts, notReady: ['no <runner> serves'] });
    expect(page).toContain('<h1>This server is not ready</h1>');
    expect(page).toContain('<li>no &#60;runner&#62; serves');
    expect(page).toContain('<td>1 day 1 h');
    expect(statusJson({ ...facts, notReady: ['x'] })).toMatchObject({ ready: false, why: ['x'] });
  });

  test.each([
    [0, '0 s'],
    [59, '59 s'],
    [3_600, '1 h'],
    [7_384, '2 h 3 min'],
    [200_000, '2 days 7 h'],
  ])('%i seconds are %s', (seconds, words) => {
    expect(durationText(seconds)).toBe(words);
  });
});

describe('a wrong port or host', () => {
  test("a function's host name at the port of the API names the function's URL", async () => {
    const { status, text } = await get('/', { host: `swift-otter.localhost:${new URL(platform.url).port}` });
    expect(status).toBe(404);
    expect(JSON.parse(text).hints).toEqual([
      'swift-otter answers at http://swift-otter.localhost:3003 or http://localhost:3003/swift-otter/',
    ]);
  });

  test("a handler's path at the port of the API names the function's URL", async () => {
    expect(JSON.parse((await get('/swift-otter/x')).text).hints).toContain(
      'a handler swift-otter would answer at http://localhost:3003/swift-otter/',
    );
  });

  test('a browser gets it as a page, with what others wrote escaped', async () => {
    const { status, type, text } = await get('/swift-otter/<script>', browser);
    expect([status, type]).toEqual([404, 'text/html; charset=utf-8']);
    expect(text).toContain('<a href="http://localhost:3003/swift-otter/">');
    expect((await get('/%3Cscript%3E', browser)).text).not.toContain('<script');
  });

  test('a path without a page of the book shows its search and its pages, to programs a problem', async () => {
    const { status, type, text } = await get('/docs/nothing/here', browser);
    expect([status, type]).toEqual([404, 'text/html; charset=utf-8']);
    expect(text).toContain('<h1>There is no such page</h1>');
    for (const part of ['role="search"', 'href="/docs/first-function"']) expect(text).toContain(part);
    expect(text).not.toContain('aria-current=');
    expect((await get('/docs/nothing/here')).type).toBe('application/problem+json');
  });

  test('below the API a refusal stays JSON for everybody', async () => {
    expect((await get('/api/v1/nothing', browser)).type).toBe('application/problem+json');
  });
});
