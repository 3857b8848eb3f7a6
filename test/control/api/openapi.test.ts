import { expect, test } from 'vitest';
import { openApiDocument } from '../../../src/control/api/openapi.ts';
import { api, startPlatform } from '../../support/api.ts';
import { ApiDocument } from '../../support/documented.ts';

type Json = { readonly [key: string]: Json } | readonly Json[] | string | number | boolean | null;

function* nodes(value: Json): Generator<{ readonly [key: string]: Json }> {
  if (typeof value !== 'object' || value === null) return;
  if (!Array.isArray(value)) yield value as { readonly [key: string]: Json };
  for (const child of Object.values(value)) yield* nodes(child);
}

test('the document is whole: references resolve, ids are unique, parameters are those of the path', async () => {
  const platform = await startPlatform();
  const document = (await api(platform, null, 'GET', '/openapi.json')).body;
  await platform.close();
  expect(document.openapi).toBe('3.1.0');
  expect(document.servers).toEqual([{ url: `${platform.url}/api/v1` }]);
  for (const node of nodes(document)) {
    if (typeof node.$ref !== 'string') continue;
    const name = /^#\/components\/schemas\/(\w+)$/.exec(node.$ref)?.[1];
    expect(name, node.$ref).toBeDefined();
    expect(Object.keys(document.components.schemas)).toContain(name);
  }
  const ids: string[] = [];
  for (const [path, methods] of Object.entries<Record<string, Record<string, never>>>(document.paths))
    for (const { operationId, parameters, responses } of Object.values(methods)) {
      ids.push(operationId!);
      const inPath = (parameters as unknown as { name: string; in: string }[]).filter((p) => p.in === 'path');
      expect(
        inPath.map(({ name }) => `{${name}}`),
        path,
      ).toEqual([...path.matchAll(/\{\w+\}/g)].map(([text]) => text));
      expect(Object.keys(responses!)).toEqual(expect.arrayContaining(['400', '500']));
    }
  expect(new Set(ids).size).toBe(ids.length);
  const { Handler, Problem } = document.components.schemas;
  expect(Handler.properties.state.enum).toEqual(['empty', 'live', 'failed', 'deleted']);
  expect(Handler.additionalProperties).toBeUndefined();
  expect(Problem.properties.code.type).toBe('string');
});

test('an answer that the document does not describe is noticed, whichever test asked for it', async () => {
  const platform = await startPlatform();
  const document = (await api(platform, null, 'GET', '/openapi.json')).body;
  await platform.close();
  const checked = new ApiDocument(document);
  const call = { method: 'GET', path: '/handlers/otter/usage?minutes=5', status: 200, type: 'application/json' };
  const total = { invocations: 1, failures: 0, gas: 1, durationMs: 1, bytesIn: 0, bytesOut: 0 };
  const faults = (more: object) => checked.faultsOf({ ...call, body: { summary: total, minutes: [] }, ...more }).join();
  expect(faults({ body: {} })).toContain("must have required property 'summary'");
  expect(faults({ body: { summary: total, minutes: 'none' } })).toContain('/minutes must be array');
  expect(faults({ body: { summary: total, minutes: [], secret: 1 } })).toContain('"additionalProperty":"secret"');
  expect(faults({ status: 418 })).toContain('418, which is not documented');
  expect(faults({ type: 'text/plain' })).toContain('text/plain, which is not documented');
  expect(faults({ type: null })).toContain('its body');
  const record = { method: 'GET', path: '/usage', status: 200, type: 'application/json' };
  expect(checked.faultsOf({ ...record, body: { usage: { otter: 'much' } } }).join()).toContain('/usage/otter must be');
});

test('without operations there is still a document', () => {
  const document = openApiDocument({ operations: [], version: '1', serverUrl: 'http://x' });
  expect(document).toMatchObject({ paths: {}, info: { version: '1' } });
});
