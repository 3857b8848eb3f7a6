/** Makes the reference pages from the code: commands, the API's operations, keys of the manifest. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { Argument, Command, Option } from 'commander';
import { z } from 'zod';
import { type ApiDeps, apiOperations } from '../src/control/api/api.ts';
import { openApiDocument } from '../src/control/api/openapi.ts';
import { defaultPreview, defaultRelease } from '../src/control/deploy/effective-manifest.ts';
import { manifestSchema, readManifest } from '../src/control/deploy/manifest.ts';
import { permissions, type Rule } from '../src/protocol/permissions.ts';
import { readEnvironment } from '../ui-cli/environment.ts';
import { processOutput } from '../ui-cli/output.ts';
import { buildProgram } from '../ui-cli/program.ts';
import { addRunCommand } from '../ui-cli/run/command.ts';

const root = join(import.meta.dirname, '..');

/** Returns the part of each page of docs/reference that is written from the code. */
export async function referenceParts(): Promise<readonly (readonly [file: string, text: string])[]> {
  return [
    ['docs/reference/commands.md', commandsText()],
    ['docs/reference/api.md', apiText()],
    ['docs/reference/manifest.md', manifestText()],
  ];
}

// Commands

/** Returns the whole command line tool, `run` included, as commander has it. */
export function wholeProgram(): Command {
  const environment = readEnvironment({}, { stdinIsTty: false, stdoutIsTty: false }, '/home/you');
  const { program, context } = buildProgram(environment, processOutput(environment));
  addRunCommand(program, context);
  return program;
}

/** A command with the words that lead to it: `tokens create`. */
export interface NamedCommand {
  readonly name: string;
  readonly command: Command;
}

/** Returns the commands that help shows, those below others behind them. */
export function namedCommands(command: Command, above: readonly string[] = []): readonly NamedCommand[] {
  return command
    .createHelp()
    .visibleCommands(command)
    .filter((one) => one.name() !== 'help')
    .flatMap((one) => {
      const words = [...above, one.name()];
      return [{ name: words.join(' '), command: one }, ...namedCommands(one, words)];
    });
}

function commandsText(): string {
  const program = wholeProgram();
  const own = optionRows(program);
  const commands = namedCommands(program).map(({ name, command }) => {
    const words = [`wasmcloud ${name}`, ...command.registeredArguments.map(argumentText)].join(' ');
    const names = command.aliases().map((alias) => `\`${alias}\``);
    const aliases = names.length === 0 ? '' : ` Also: ${names.join(', ')}.`;
    const parts = [`### ${name}`, usageBlock(words), `${sentence(command.description())}${aliases}`];
    const rows = [...argumentRows(command), ...optionRows(command)];
    return [...parts, ...(rows.length === 0 ? [] : [table(['word', 'meaning'], rows)])].join('\n\n');
  });
  return [
    '## wasmcloud',
    'What holds for every command:',
    table(['word', 'meaning'], own),
    ...commands,
    '## trisiel',
    platformUsage(),
  ].join('\n\n');
}

/** Returns what `trisiel --help` prints, as a block. */
function platformUsage(): string {
  const { stdout, status } = spawnSync(process.execPath, [join(root, 'bin/trisiel.js'), '--help'], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error('trisiel --help failed');
  return usageBlock(stdout.trimEnd());
}

function usageBlock(text: string): string {
  return `\`\`\`usage\n${text}\n\`\`\``;
}

function argumentText(argument: Argument): string {
  const name = `${argument.name()}${argument.variadic ? '...' : ''}`;
  return argument.required ? `<${name}>` : `[${name}]`;
}

function argumentRows(command: Command): string[][] {
  return command.registeredArguments
    .filter(({ description }) => description !== '')
    .map((argument) => [code(argumentText(argument)), argument.description]);
}

function optionRows(command: Command): string[][] {
  return command
    .createHelp()
    .visibleOptions(command)
    .filter(({ long }) => long !== '--help')
    .map((option: Option) => [code(option.flags), `${option.description}${defaultText(option)}`]);
}

function defaultText({ defaultValue }: Option): string {
  return typeof defaultValue === 'string' || typeof defaultValue === 'number' ? ` (default: ${defaultValue})` : '';
}

// The API

type Json = Readonly<Record<string, unknown>>;

/** Part of a JSON schema that a page shows. */
interface Schema {
  readonly type?: string | readonly string[];
  readonly $ref?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly required?: readonly string[];
  readonly description?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxLength?: number;
  readonly maxItems?: number;
  readonly pattern?: string;
}

interface DescribedOperation {
  readonly operationId: keyof typeof permissions;
  readonly tags: readonly string[];
  readonly summary: string;
  readonly parameters: readonly { name: string; in: string; description?: string; schema: Schema }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { schema?: Schema }>> };
  readonly responses: Readonly<
    Record<string, { readonly description: string; readonly content?: Readonly<Record<string, { schema?: Schema }>> }>
  >;
}

/** Returns the OpenAPI document of this version. */
export function apiDocument(): Json {
  // The operations are only described here: none of them is run, so none needs its stations.
  const station: ApiDeps = new Proxy({} as ApiDeps, { get: () => station });
  const operations = apiOperations(station);
  return openApiDocument({ operations, version: '', serverUrl: 'http://127.0.0.1:3002' });
}

function apiText(): string {
  const { paths, components } = apiDocument() as {
    readonly paths: Readonly<Record<string, Readonly<Record<string, DescribedOperation>>>>;
    readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
  };
  const all = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  );
  const byTag = [...Map.groupBy(all, ({ operation }) => operation.tags[0] ?? '')];
  const tags = byTag.flatMap(([tag, operations]) => [
    `## ${tag[0]?.toUpperCase()}${tag.slice(1)}`,
    ...operations.map(({ method, path, operation }) => operationText(`${method} ${path}`, operation)),
  ]);
  const documents = Object.entries(components.schemas).map(([name, schema]) =>
    [`### ${name} (document)`, table(['field', 'what it is'], fieldRows(schema))].join('\n\n'),
  );
  return [...tags, '## Documents', 'What several answers hold.', ...documents].join('\n\n');
}

function operationText(title: string, operation: DescribedOperation): string {
  const { operationId, summary, parameters, requestBody, responses } = operation;
  const inputs = parameters
    .filter((one) => one.in === 'query')
    .map(({ name, description, schema }) => [`query ${code(name)}`, meaning(schema, description)]);
  const bodies = Object.entries(requestBody?.content ?? {}).flatMap(([type, { schema }]) =>
    schema === undefined
      ? [['body', code(type)]]
      : fieldRows(schema).map(([field, text]) => [`body ${field}`, text ?? '']),
  );
  const [status = '', answer] = Object.entries(responses).find(([one]) => Number(one) < 300) ?? ['101', undefined];
  const answers = Object.entries(answer?.content ?? {}).flatMap(([type, { schema }]) => {
    if (schema === undefined) return [['answer', code(type)]];
    if (schema.properties === undefined) return [['answer', typeText(schema)]];
    return fieldRows(schema).map(([field, text]) => [`answer ${field}`, text ?? '']);
  });
  const refusals = Object.values(responses)
    .filter(({ content }) => content !== undefined && 'application/problem+json' in content)
    .flatMap(({ description }) => description.split(', '));
  const usual = [
    'bad_request',
    'internal',
    'unavailable',
    'unauthorized',
    'forbidden',
    'rate_limited',
    'body_too_large',
  ];
  const own = refusals.filter((one) => !usual.includes(one)).map(code);
  const rows = [...inputs, ...bodies, ...answers];
  return [
    `### ${title}`,
    `${sentence(summary)} ${ruleText(permissions[operationId])} Status ${status}.`,
    ...(rows.length === 0 ? [] : [table(['part', 'what it is'], rows)]),
    ...(own.length === 0 ? [] : [`Refuses with ${own.join(', ')}.`]),
  ].join('\n\n');
}

function ruleText(rule: Rule): string {
  if (rule.on === 'nothing') return 'For everybody.';
  if (rule.on === 'platform') return `For administrators, with a Token of scope ${code(rule.scope)}.`;
  if (rule.on === 'account') return `For users, with a Token of scope ${code(rule.scope)}.`;
  return `For ${rule.role}s, with a Token of scope ${code(rule.scope)}.`;
}

function fieldRows({ properties = {}, required = [] }: Schema): string[][] {
  return Object.entries(properties).map(([name, schema]) => [
    code(name),
    `${meaning(schema, schema.description)}${required.includes(name) ? '' : ' (may be absent)'}`,
  ]);
}

function meaning(schema: Schema, description: string | undefined): string {
  const type = typeText(schema);
  return description === undefined ? type : `${type}: ${description}`;
}

function typeText(schema: Schema): string {
  const { $ref, anyOf, oneOf, items, type } = schema;
  if ($ref !== undefined) {
    const name = $ref.slice($ref.lastIndexOf('/') + 1);
    return `[${name}](#${name.toLowerCase()}-document)`;
  }
  if (Array.isArray(type)) return type.map((one: string) => typeText({ ...schema, type: one })).join(' or ');
  const either = anyOf ?? oneOf;
  if (either !== undefined) return [...new Set(either.map(typeText))].join(' or ');
  if (schema.const !== undefined) return code(String(schema.const));
  if (schema.enum !== undefined) return schema.enum.map((one) => code(String(one))).join(', ');
  if (type === 'array')
    return `list${schema.maxItems === undefined ? '' : ` (at most ${schema.maxItems})`} of ${items === undefined ? 'values' : typeText(items)}`;
  if (type === 'object') return objectText(schema);
  if (type === 'integer') return `whole number${rangeText(schema)}`;
  if (type === 'number') return `number${rangeText(schema)}`;
  if (type === 'string') return `text${upTo(schema.maxLength, ' characters')}`;
  if (type === 'boolean') return '`true` or `false`';
  if (type === 'null') return '`null`';
  return 'value';
}

function objectText({ properties, additionalProperties }: Schema): string {
  if (properties !== undefined)
    return `object of ${Object.entries(properties)
      .map(([name, one]) => `${code(name)} (${typeText(one)})`)
      .join(', ')}`;
  return typeof additionalProperties === 'object' ? `object of names to ${typeText(additionalProperties)}` : 'object';
}

function upTo(most: number | undefined, unit = ''): string {
  return most === undefined ? '' : ` of at most ${grouped(most)}${unit}`;
}

function rangeText({ minimum, maximum }: Schema): string {
  const isOpen = maximum === undefined || maximum >= Number.MAX_SAFE_INTEGER;
  const isOpenBelow = minimum === undefined || minimum <= Number.MIN_SAFE_INTEGER;
  if (isOpen) return isOpenBelow ? '' : ` from ${grouped(minimum)}`;
  return isOpenBelow ? ` to ${grouped(maximum)}` : ` from ${grouped(minimum)} to ${grouped(maximum)}`;
}

// The manifest

/** Pages that say what the keys of a table mean. */
const manifestPages: Readonly<Record<string, string>> = {
  limits: '../limits.md',
  policy: '../manifest.md',
  env: '../manifest.md',
  files: '../manifest.md',
  queue: '../queues.md',
  schedule: '../schedules.md',
  placement: '../cluster.md#which-nodes-hold-a-function',
  preview: '../previews.md',
  release: '../releases.md',
};

/** Returns every key of the manifest as `table.key`, with its schema. */
export function manifestKeys(): readonly (readonly [key: string, schema: Schema])[] {
  const { properties = {} } = z.toJSONSchema(manifestSchema, { io: 'input', unrepresentable: 'any' }) as Schema;
  return Object.entries(properties).flatMap(([key, schema]) => {
    const inner = (schema.items ?? schema).properties;
    if (inner === undefined) return [[key, schema] as const];
    return Object.entries(inner).map(([name, one]) => [`${key}.${name}`, one] as const);
  });
}

/** Returns the values that keys have where the manifest does not name them, as text, by `table.key`. */
function manifestDefaults(): Readonly<Record<string, string>> {
  const tables = '[[queue]]\nname = "q"\n[[schedule]]\nevery = "1h"\n';
  const { limits, queues, schedules, ...top } = readManifest({ toml: Buffer.from(tables), olin: null });
  const read: Readonly<Record<string, object | undefined>> = {
    ...{ '': { ...top, authorization: top.passAuthorization }, limits: { ...limits, exactMemory: top.exactMemory } },
    ...{ queue: queues[0], schedule: schedules[0], preview: defaultPreview, release: defaultRelease },
  };
  const found = manifestKeys().map(([key]) => {
    const [table = '', name = ''] = key.includes('.') ? key.split('.') : ['', key];
    const field = name.replace(/-(\w)/g, (_all, letter: string) => letter.toUpperCase());
    const value: unknown = (read[table] as Readonly<Record<string, unknown>> | undefined)?.[field];
    const isOwn = ['queue.name', 'schedule.name', 'schedule.every', 'schedule.path'].includes(key);
    if (isOwn || value === null || value === undefined || typeof value === 'object') return [key, ''];
    return [key, value === '' ? 'empty' : typeof value === 'number' ? grouped(value) : code(String(value))];
  });
  return Object.fromEntries(found) as Readonly<Record<string, string>>;
}

function manifestText(): string {
  const defaults = manifestDefaults();
  const tables = Map.groupBy(manifestKeys(), ([key]) => (key.includes('.') ? (key.split('.')[0] ?? '') : ''));
  return [...tables]
    .map(([name, keys]) => {
      const title = name === '' ? 'At the top' : ['queue', 'schedule'].includes(name) ? `[[${name}]]` : `[${name}]`;
      const page = manifestPages[name] ?? '../manifest.md';
      const rows = keys.map(([key, schema]) => [code(key), typeText(schema), defaults[key] ?? '']);
      return [`## ${title}`, `[What these keys mean](${page}).`, table(['key', 'value', 'default'], rows)].join('\n\n');
    })
    .join('\n\n');
}

// Markdown

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function code(text: string): string {
  return `\`${text}\``;
}

function sentence(text: string): string {
  const capital = `${text[0]?.toUpperCase() ?? ''}${text.slice(1)}`;
  return /[.!?)]$/.test(capital) ? capital : `${capital}.`;
}

function grouped(number: number): string {
  return number.toLocaleString('en-US');
}
