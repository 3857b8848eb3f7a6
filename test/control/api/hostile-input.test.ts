/**
 * Every operation of the document, called with input that is made from the document: what fits, what does not, and what
 * belongs to somebody else. Each answer is below 500, each refusal a problem document with a known code.
 */
import { request as httpRequest } from 'node:http';
import { Validator } from '@seriousme/openapi-schema-validator';
import { afterAll, beforeAll, expect, it, test } from 'vitest';
import { errorStatus } from '../../../src/protocol/errors.ts';
import { api, type Platform, signUp, startPlatform } from '../../support/api.ts';
import { onEachDatabase, type TemporaryDatabase } from '../../support/database.ts';

interface Schema {
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly minimum?: number;
  readonly pattern?: string;
  readonly anyOf?: readonly Schema[];
}
interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly schema: Schema;
}
interface Described {
  readonly operationId: string;
  readonly parameters: readonly Parameter[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema?: Schema }>> };
  readonly responses: Readonly<Record<string, { readonly description: string }>>;
}
interface Call {
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
}

/** Values that no field is meant to hold, or that have done harm elsewhere. */
const hostile: readonly unknown[] = [
  ...['', ' ', 'x'.repeat(7_000), 'оtter', 'ｏtter', 'otter\u0000', 'ot\u202eter', '\ud800', 'é'.normalize('NFD')],
  ...["'; drop table users; --", '" or 1=1 --', '$(reboot)', '`id`', '%', '_', '../../../etc/passwd', '..', '-rf'],
  ...['%2e%2e%2f', 'a/b', 'a\\b', 'a\r\nx: y', '__proto__', 'constructor', 'NaN', '-1', '1e999', '9'.repeat(40)],
];
/** Those that a database may stumble over. */
const forDatabases: readonly string[] = ['x'.repeat(7_000), 'otter\u0000', '\ud800', "'; drop table users; --", '%'];
const otherTypes: readonly unknown[] = [
  0,
  -1,
  1.5,
  1e308,
  true,
  null,
  [],
  {},
  [null],
  { length: 1e9 },
  'x'.repeat(70_000),
];

/** Path parameters of things that there are. */
const known: Readonly<Record<string, string>> = {
  name: 'otter',
  queue: 'jobs',
  user: 'bob',
  key: 'KEY',
  branch: 'dev',
};

test('a second implementation finds the document valid', async () => {
  const platform = await startPlatform();
  const { body } = await api(platform, null, 'GET', '/openapi.json');
  await platform.close();
  const validator = new Validator();
  expect(await validator.validate(body)).toEqual({ valid: true });
  expect(validator.version).toBe('3.1');
  // It does tell: a parameter without a name is found.
  const broken = structuredClone(body);
  delete broken.paths['/handlers'].get.parameters[0].name;
  expect((await validator.validate(broken)).valid).toBe(false);
});

onEachDatabase('hostile input', (dialect) => {
  // What only the checks in front see is the same for both.
  const strings = dialect.name === 'sqlite' ? hostile : forDatabases;
  let store: TemporaryDatabase;
  let platform: Platform;
  let operations: readonly (Described & { readonly method: string; readonly path: string })[];
  let ada: string;
  let bob: string;

  beforeAll(async () => {
    store = await dialect.temporary();
    platform = await startPlatform({ location: store.location });
    ada = await signUp(platform, 'ada');
    bob = await signUp(platform, 'bob');
    const { paths } = (await api(platform, null, 'GET', '/openapi.json')).body;
    operations = Object.entries<Readonly<Record<string, Described>>>(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, described]) => ({ ...described, method: method.toUpperCase(), path })),
    );
    await settle();
  });
  afterAll(async () => {
    await platform?.close();
    await store?.close();
  });

  /** Brings back what a call may have changed, and lets limits of attempts forget. */
  async function settle(): Promise<void> {
    const { db } = platform;
    const owner = (await db.selectFrom('users').select('id').where('name', '=', 'ada').executeTakeFirstOrThrow()).id;
    if ((await db.selectFrom('handlers').select('id').where('name', '=', 'otter').executeTakeFirst()) === undefined)
      await platform.handlers.create({ name: 'otter', ownerId: owner });
    await db.updateTable('handlers').set({ deleted_ms: null, owner_id: owner }).where('name', '=', 'otter').execute();
    await db.deleteFrom('handlers').where('name', '!=', 'otter').execute();
    await db.updateTable('tokens').set({ revoked_ms: null }).execute();
    await db.deleteFrom('tokens').where('label', '!=', 'sign up').execute();
    await db.updateTable('users').set({ totp_sealed: null, suspended_ms: null }).execute();
    await db.deleteFrom('kept_answers').execute();
    platform.clock.ms += 3_600_000;
  }

  /** Sends a call and checks what comes back. Returns status and code. */
  async function send(token: string | null, { method, path, body }: Call, what: string) {
    const answer = await api(platform, token, method, path, body);
    const type = answer.headers.get('content-type') ?? '';
    if (answer.status >= 400) {
      expect(answer.status, `${what}: ${JSON.stringify(answer.body)}`).toBeLessThan(500);
      expect(type, what).toContain('application/problem+json');
      expect(Object.keys(errorStatus), what).toContain(answer.body.code);
      expect(errorStatus[answer.body.code as keyof typeof errorStatus], what).toBe(answer.status);
    }
    return {
      status: answer.status,
      code: answer.body?.code as string | undefined,
      detail: String(answer.body?.detail),
    };
  }

  function pathOf(path: string, parameters: Readonly<Record<string, string>>, query: Readonly<Record<string, string>>) {
    const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encoded(parameters[name] ?? known[name] ?? 'x'));
    const asked = Object.entries(query).map(([key, value]) => `${encoded(key)}=${encoded(value)}`);
    return asked.length === 0 ? filled : `${filled}?${asked.join('&')}`;
  }

  const bodyOf = ({ requestBody }: Described) => requestBody?.content['application/json']?.schema;

  it('is the same for every operation: what fits is taken, or refused for another reason than its form', async () => {
    for (const operation of operations) {
      const schema = bodyOf(operation);
      const body = schema === undefined ? undefined : fitting(schema);
      for (const [who, token] of [
        ['ada', ada],
        ['bob', bob],
        ['nobody', null],
      ] as const) {
        const path = pathOf(operation.path, {}, {});
        const { status, detail } = await send(
          token,
          { method: operation.method, path, body },
          `${operation.operationId} by ${who}`,
        );
        expect(detail, operation.operationId).not.toMatch(/^the request does not fit/);
        if (status >= 400 && status !== 405)
          expect(Object.keys(operation.responses), `${operation.operationId} by ${who}`).toContain(String(status));
        await settle();
      }
    }
  });

  it('is refused where a field is unknown, and named', async () => {
    for (const operation of operations) {
      const schema = bodyOf(operation);
      const path = pathOf(operation.path, {}, { surplus: '1' });
      const query = await send(
        ada,
        { method: operation.method, path, body: schema && fitting(schema) },
        operation.operationId,
      );
      expect([400, 'bad_request'], operation.operationId).toEqual([query.status, query.code]);
      if (schema === undefined) continue;
      const body = { ...(fitting(schema) as object), surplus: 1 };
      const answer = await send(
        ada,
        { method: operation.method, path: pathOf(operation.path, {}, {}), body },
        operation.operationId,
      );
      expect([answer.status, answer.detail], operation.operationId).toEqual([
        400,
        expect.stringContaining('"surplus"'),
      ]);
      await settle();
    }
  });

  it('in a path, a query or a field does no harm', async () => {
    for (const operation of operations) {
      const schema = bodyOf(operation);
      const body = schema === undefined ? undefined : fitting(schema);
      const { method, operationId, parameters } = operation;
      for (const { name, in: place } of parameters)
        for (const value of strings) {
          const [inPath, inQuery] =
            place === 'path' ? [{ [name]: String(value) }, {}] : [{}, { [name]: String(value) }];
          if (place === 'header') continue;
          const path = pathOf(operation.path, inPath, inQuery);
          await send(ada, { method, path, body }, `${operationId} ${name}=${JSON.stringify(value).slice(0, 60)}`);
        }
      await settle();
      if (schema === undefined) continue;
      const path = pathOf(operation.path, {}, {});
      for (const field of Object.keys(schema.properties ?? {}))
        for (const value of [...strings, ...otherTypes])
          await send(
            ada,
            { method, path, body: { ...(fitting(schema) as object), [field]: value } },
            `${operationId} {${field}: ${JSON.stringify(value).slice(0, 60)}}`,
          );
      for (const value of [...otherTypes, 'text', deep(2_000)])
        await send(ada, { method, path, body: value }, `${operationId} ${JSON.stringify(value).slice(0, 60)}`);
      await settle();
    }
    expect((await fetch(`${platform.url}/healthz`)).status).toBe(200);
    expect(platform.logged.filter((line) => JSON.parse(line).level >= 50)).toEqual([]);
  }, 600_000);

  it('of 10 MB is refused before it has come', async () => {
    for (const operation of operations) {
      if (bodyOf(operation) === undefined) continue;
      const path = `/api/v1${pathOf(operation.path, {}, {})}`;
      const answer = await new Promise<{ status: number | undefined; text: string }>((resolve, reject) => {
        const headers = {
          ...{ authorization: `Bearer ${ada}`, 'content-type': 'application/json' },
          'content-length': 10_000_000,
        };
        const request = httpRequest(platform.url + path, { method: operation.method, headers }, (response) => {
          let text = '';
          response.setEncoding('utf8').on('data', (chunk) => {
            text += chunk;
          });
          response.on('end', () => {
            resolve({ status: response.statusCode, text });
            request.destroy();
          });
        });
        request.on('error', reject);
        request.write(`{"name":"${'x'.repeat(1_000)}`);
      });
      expect([answer.status, JSON.parse(answer.text).code], operation.operationId).toEqual([413, 'body_too_large']);
    }
  });
});

/** Returns a percent-encoded text; a lone surrogate, which has no encoding, as the bytes that stand for it in CESU. */
function encoded(text: string): string {
  return text.isWellFormed() ? encodeURIComponent(text) : '%ED%A0%80';
}

/** Returns a value that fits a schema. */
function fitting(schema: Schema): unknown {
  if (schema.const !== undefined) return schema.const;
  if (schema.enum !== undefined) return schema.enum[0];
  if (schema.anyOf !== undefined) return fitting(schema.anyOf[0]!);
  const type = typeof schema.type === 'string' ? schema.type : schema.type?.[0];
  if (type === 'object')
    return Object.fromEntries((schema.required ?? []).map((name) => [name, fitting(schema.properties?.[name] ?? {})]));
  if (type === 'array') return [];
  if (type === 'integer' || type === 'number') return Math.max(1, schema.minimum ?? 1);
  if (type === 'boolean') return false;
  return 'nobody';
}

/** Returns lists in lists, as deep as `count`. */
function deep(count: number): unknown {
  let value: unknown = 1;
  for (let n = 0; n < count; n += 1) value = [value];
  return value;
}
