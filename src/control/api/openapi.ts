/** Makes the OpenAPI 3.1 document from the operations. */
import { z } from 'zod';
import { type ErrorCode, errorStatus } from '../../protocol/errors.ts';
import type { Operation } from './operation.ts';
import { answersAsRead, readerOf } from './representation.ts';
import { problemSchema } from './schemas/parts.ts';

type Json = Readonly<Record<string, unknown>>;

export function openApiDocument(options: {
  readonly operations: readonly Operation[];
  readonly version: string;
  readonly serverUrl: string;
}): Json {
  const schemas: Record<string, unknown> = {};
  const jsonSchema = (type: z.ZodType, io: 'input' | 'output'): Json => {
    const {
      $schema: _,
      $defs = {},
      ...schema
    } = z.toJSONSchema(type, {
      io,
      unrepresentable: 'any',
      override: ({ jsonSchema }) => loosen(jsonSchema, io),
    });
    for (const [id, definition] of Object.entries($defs)) schemas[id] = relocated(definition);
    return relocated(schema);
  };
  jsonSchema(problemSchema, 'output'); // Included for the document's shared part, which every operation refers to.
  const paths: Record<string, Record<string, Json>> = {};
  for (const operation of options.operations) {
    const described = { [operation.method.toLowerCase()]: describe(operation, options.operations, jsonSchema) };
    paths[operation.path] = { ...paths[operation.path], ...described };
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Trisiel', version: options.version, license: { name: 'MIT', identifier: 'MIT' } },
    servers: [{ url: `${options.serverUrl}/api/v1` }],
    security: [{ token: [] }],
    paths,
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer', description: 'A Token: tr_…' } },
      schemas,
    },
  };
}

function describe(operation: Operation, operations: readonly Operation[], jsonSchema: SchemaOf): Json {
  const reader = readerOf(operation, operations);
  const codes: ErrorCode[] = [...operation.errors, 'bad_request', 'internal', 'unavailable'];
  if (operation.access === 'user') codes.push('unauthorized', 'forbidden', 'rate_limited');
  if (operation.body !== null) codes.push('body_too_large');
  if (reader !== null) codes.push('precondition_failed');
  if (takesKey(operation)) codes.push('idempotency_key_reused', 'idempotency_key_in_use');
  const byStatus = Map.groupBy(new Set(codes), (code) => errorStatus[code]);
  const problems = [...byStatus]
    .sort(([a], [b]) => a - b)
    .map(([status, of]) => [
      status,
      {
        description: of.join(', '),
        content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
      },
    ]);
  const answer =
    operation.status === 101
      ? { description: 'The connection is a WebSocket from here on (RFC 6455).' }
      : { description: 'Done.', ...answerContent(operation, jsonSchema) };
  const minimal = answersAsRead(operation, reader)
    ? { 204: { description: 'Done; return=minimal was preferred.' } }
    : {};
  return {
    operationId: operation.id,
    tags: [operation.tag],
    summary: operation.summary,
    ...(operation.access === 'anyone' ? { security: [] } : {}),
    parameters: [
      ...pathParameters(operation.path),
      ...queryParameters(operation.query, jsonSchema),
      ...headerParameters(operation, reader),
    ],
    ...requestBody(operation, jsonSchema),
    responses: { [operation.status]: answer, ...minimal, ...Object.fromEntries(problems) },
  };
}

function takesKey({ method, access, bodyTypes }: Operation): boolean {
  return method === 'POST' && access === 'user' && bodyTypes === null;
}

type SchemaOf = (type: z.ZodType, io: 'input' | 'output') => Json;

function answerContent({ answer, answerTypes }: Operation, jsonSchema: SchemaOf): Json {
  if (answerTypes !== null) return { content: Object.fromEntries(answerTypes.map((type) => [type, {}])) };
  if (answer === null) return {};
  return { content: { 'application/json': { schema: jsonSchema(answer, 'output') } } };
}

function requestBody({ body, bodyTypes }: Operation, jsonSchema: SchemaOf): Json {
  if (bodyTypes !== null)
    return { requestBody: { required: true, content: Object.fromEntries(bodyTypes.map((type) => [type, {}])) } };
  if (body === null) return {};
  return { requestBody: { required: true, content: { 'application/json': { schema: jsonSchema(body, 'input') } } } };
}

function pathParameters(path: string): Json[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
}

function headerParameters(operation: Operation, reader: Operation | null): Json[] {
  const header = (name: string, description: string): Json => ({
    name,
    in: 'header',
    required: false,
    description,
    schema: { type: 'string' },
  });
  return [
    ...(reader === null
      ? []
      : [header('If-Match', 'ETag of the answer to GET: refused with 412 where it is another now')]),
    ...(takesKey(operation)
      ? [header('Idempotency-Key', 'a second request with it within 24 hours is given the answer to the first')]
      : []),
    ...(answersAsRead(operation, reader) ? [header('Prefer', 'return=minimal: no body')] : []),
  ];
}

function queryParameters(
  query: z.ZodType | null,
  jsonSchema: (type: z.ZodType, io: 'input' | 'output') => Json,
): Json[] {
  if (query === null) return [];
  const { properties = {} } = jsonSchema(query, 'input');
  const schemas = properties as Record<string, Json>; // JSON Schema, made by zod
  return Object.entries(schemas).map(([name, { description, ...schema }]) => ({
    name,
    in: 'query',
    required: false,
    ...(description === undefined ? {} : { description }),
    schema,
  }));
}

function loosen(schema: z.core.JSONSchema.BaseSchema, io: 'input' | 'output'): void {
  // Answers stay open, since a newer server may send more fields; only requests are closed. Values of a map keep their
  // schema.
  if (io === 'output' && schema.additionalProperties === false) delete schema.additionalProperties;
  // A number in a query is checked as text first; the document describes the number.
  if (schema.type === 'integer') delete schema.pattern;
}

/**
 * Returns `schema` with its references in OpenAPI's form: zod refers to `#/$defs/NAME`, OpenAPI keeps shared schemas
 * elsewhere.
 */
function relocated(schema: unknown): Json {
  return JSON.parse(JSON.stringify(schema).replaceAll('"#/$defs/', '"#/components/schemas/'));
}
