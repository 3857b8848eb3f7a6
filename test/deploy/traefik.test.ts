/**
 * The file for Traefik has only options that Traefik 3 documents for its file provider, at their places, and its parts
 * refer to each other. Traefik itself is not run.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';

const text = readFileSync(join(import.meta.dirname, '../../deploy/traefik/trisiel.yml'), 'utf8');

/** https://doc.traefik.io/traefik/reference/dynamic-configuration/file/, as far as the file uses it. */
const documented = z.strictObject({
  http: z.strictObject({
    routers: z.record(
      z.string(),
      z.strictObject({
        rule: z.string(),
        entryPoints: z.array(z.string()),
        service: z.string(),
        middlewares: z.array(z.string()),
        tls: z.strictObject({
          certResolver: z.string(),
          domains: z.array(z.strictObject({ main: z.string(), sans: z.array(z.string()) })).optional(),
        }),
      }),
    ),
    middlewares: z.record(
      z.string(),
      z.strictObject({ headers: z.strictObject({ customRequestHeaders: z.record(z.string(), z.string()) }) }),
    ),
    services: z.record(
      z.string(),
      z.strictObject({
        loadBalancer: z.strictObject({
          servers: z.array(z.strictObject({ url: z.url() })),
          responseForwarding: z.strictObject({ flushInterval: z.string().regex(/^\d+m?s$/) }).optional(),
        }),
      }),
    ),
  }),
});

describe('the file for Traefik', () => {
  const { http } = documented.parse(parse(text));

  test('has routers whose services, middlewares and certificates are there', () => {
    const { 'trisiel-control': control, 'trisiel-functions': functions, ...others } = http.routers;
    expect(others).toEqual({});
    for (const router of [control!, functions!]) {
      expect(Object.keys(http.services)).toContain(router.service);
      for (const name of router.middlewares) expect(Object.keys(http.middlewares)).toContain(name);
    }
    // A name that is matched by a pattern gets a certificate only where it is written out.
    expect(functions?.tls.domains).toEqual([{ main: 'functions.example.com', sans: ['*.functions.example.com'] }]);
    const urls = [control, functions].map((router) => http.services[router!.service]?.loadBalancer.servers);
    expect(urls).toEqual([[{ url: 'http://127.0.0.1:3002' }], [{ url: 'http://127.0.0.1:3003' }]]);
  });

  test('matches functions and previews under the domain, and no other host', () => {
    const [, pattern = ''] = /HostRegexp\(`([^`]+)`\)/.exec(http.routers['trisiel-functions']?.rule ?? '') ?? [];
    const matches = (host: string): boolean => new RegExp(pattern).test(host);
    for (const host of ['hello.functions.example.com', 'feature--hello.functions.example.com'])
      expect(matches(host), host).toBe(true);
    for (const host of ['hello.functions.example.com.evil.net', 'a.b.functions.example.com', 'functionsXexample.com'])
      expect(matches(host), host).toBe(false);
  });

  test('with an option that Traefik does not know is refused here', () => {
    expect(() => documented.parse(parse(text.replace('certResolver', 'certResolvr')))).toThrow('certResolvr');
  });
});
