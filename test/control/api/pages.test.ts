import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
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

  test('below the API a refusal stays JSON for everybody', async () => {
    expect((await get('/api/v1/nothing', browser)).type).toBe('application/problem+json');
  });
});
