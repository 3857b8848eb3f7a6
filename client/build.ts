/**
 * Writes what the API client has from the OpenAPI document: `node client/build.ts`. operations.js is how each operation
 * is sent, api.d.ts what it takes and answers. test/client/client.test.ts fails where they are not what this writes.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { apiDocument } from '../docs/reference.ts';

interface Schema {
  readonly type?: string | readonly string[];
  readonly $ref?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly required?: readonly string[];
  readonly description?: string;
}

type Content = Readonly<Record<string, { readonly schema?: Schema }>>;

interface DescribedOperation {
  readonly operationId: string;
  readonly summary: string;
  readonly parameters: readonly { name: string; in: string; description?: string; schema: Schema }[];
  readonly requestBody?: { readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly content?: Content }>>;
}

interface Sent {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly operation: DescribedOperation;
}

const note = '// Written by client/build.ts from the OpenAPI document.';

/** Returns the files that are written, by their name in this folder. */
export function clientFiles(): Readonly<Record<string, string>> {
  const { paths, components } = apiDocument() as {
    readonly paths: Readonly<Record<string, Readonly<Record<string, DescribedOperation>>>>;
    readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
  };
  const sent = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): Sent => {
      return { id: operation.operationId, method: method.toUpperCase(), path, operation };
    }),
  );
  return { 'operations.js': operationsText(sent), 'api.d.ts': typesText(sent, components.schemas) };
}

function operationsText(sent: readonly Sent[]): string {
  const rows = sent.map(({ id, method, path, operation }) => {
    const facts = { method, path, body: bodyKind(operation), answer: answerKind(operation) };
    const paged = 'next' in (answerSchema(operation)?.properties ?? {}) ? { paged: true } : {};
    return `  ${id}: ${JSON.stringify({ ...facts, ...paged })},`;
  });
  return `${note}\nexport const operations = {\n${rows.join('\n')}\n};\n`;
}

function bodyKind({ requestBody }: DescribedOperation): 'json' | 'bytes' | 'none' {
  if (requestBody === undefined) return 'none';
  return requestBody.content['application/json'] === undefined ? 'bytes' : 'json';
}

function successOf({ responses }: DescribedOperation): Content | undefined {
  const [, success] = Object.entries(responses).find(([status]) => /^2(?!04)/.test(status)) ?? [];
  return success?.content;
}

function answerSchema(operation: DescribedOperation): Schema | undefined {
  return successOf(operation)?.['application/json']?.schema;
}

function answerKind(operation: DescribedOperation): 'json' | 'stream' | 'none' {
  if (answerSchema(operation) !== undefined) return 'json';
  return successOf(operation) === undefined ? 'none' : 'stream';
}

function typesText(sent: readonly Sent[], schemas: Readonly<Record<string, Schema>>): string {
  const documents = Object.entries(schemas).map(([name, schema]) => `export type ${name} = ${typeOf(schema, 0)};\n`);
  const rows = sent.map(({ method, path, operation }) => {
    const answer = {
      json: () => typeOf(answerSchema(operation) ?? {}, 2),
      stream: () => 'Response',
      none: () => 'void',
    };
    return [
      `  /** ${method} ${path}: ${operation.summary.replaceAll('*/', '* /')} */`,
      `  readonly ${operation.operationId}: {`,
      `    readonly input: ${inputOf(operation)};`,
      `    readonly answer: ${answer[answerKind(operation)]()};`,
      '  };',
    ].join('\n');
  });
  return `${note}\n\n${documents.join('\n')}\nexport interface Operations {\n${rows.join('\n')}\n}\n`;
}

function inputOf(operation: DescribedOperation): string {
  const { parameters, requestBody } = operation;
  const path = parameters.filter((one) => one.in === 'path').map(({ name }) => `readonly ${name}: string | number;`);
  const queries = parameters.filter((one) => one.in === 'query');
  const properties = Object.fromEntries(
    queries.map(({ name, schema, description }) => [
      name,
      description === undefined ? schema : { ...schema, description },
    ]),
  );
  const query = queries.length === 0 ? [] : [`readonly query?: ${typeOf({ type: 'object', properties }, 3)};`];
  const schema = requestBody?.content['application/json']?.schema;
  // A body all of whose fields may be absent may be absent itself.
  const mark = (schema?.required ?? []).length === 0 && bodyKind(operation) === 'json' ? '?' : '';
  const bytes = 'string | Uint8Array | ReadableStream<Uint8Array>';
  const body =
    requestBody === undefined ? [] : [`readonly body${mark}: ${schema === undefined ? bytes : typeOf(schema, 3)};`];
  const fields = [...path, ...query, ...body];
  return fields.length === 0 ? 'Record<never, never>' : `{\n${fields.map((field) => `      ${field}\n`).join('')}    }`;
}

/** Returns a schema as a TypeScript type. `depth`: levels of indentation around it. */
function typeOf(schema: Schema, depth: number): string {
  const { $ref, type } = schema;
  if ($ref !== undefined) return $ref.slice($ref.lastIndexOf('/') + 1);
  const either = schema.anyOf ?? schema.oneOf;
  if (either !== undefined) return [...new Set(either.map((one) => typeOf(one, depth)))].join(' | ');
  if (schema.allOf !== undefined) return schema.allOf.map((one) => typeOf(one, depth)).join(' & ');
  if (Array.isArray(type)) return type.map((one: string) => typeOf({ ...schema, type: one }, depth)).join(' | ');
  if (schema.const !== undefined) return literal(schema.const);
  if (schema.enum !== undefined) return schema.enum.map(literal).join(' | ');
  if (type === 'array') return `readonly (${typeOf(schema.items ?? {}, depth)})[]`;
  if (type === 'object') return objectOf(schema, depth);
  if (type === 'integer' || type === 'number') return 'number';
  if (type === 'string' || type === 'boolean' || type === 'null') return type;
  return 'unknown';
}

function objectOf({ properties, additionalProperties, required = [] }: Schema, depth: number): string {
  if (properties === undefined)
    return typeof additionalProperties === 'object'
      ? `Readonly<Record<string, ${typeOf(additionalProperties, depth)}>>`
      : 'Readonly<Record<string, unknown>>';
  const indent = '  '.repeat(depth + 1);
  const fields = Object.entries(properties).map(([name, schema]) => {
    const key = /^\w+$/.test(name) ? name : JSON.stringify(name);
    const comment =
      schema.description === undefined ? '' : `${indent}/** ${schema.description.replaceAll('*/', '* /')} */\n`;
    return `${comment}${indent}readonly ${key}${required.includes(name) ? '' : '?'}: ${typeOf(schema, depth + 1)};\n`;
  });
  return `{\n${fields.join('')}${'  '.repeat(depth)}}`;
}

function literal(value: unknown): string {
  return typeof value === 'string' ? `'${value.replace(/[\\']/g, '\\$&')}'` : String(value);
}

/** Writes the files. */
export function writeClient(): void {
  for (const [name, text] of Object.entries(clientFiles())) writeFileSync(join(import.meta.dirname, name), text);
}

if (import.meta.main) writeClient();
