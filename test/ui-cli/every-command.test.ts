/**
 * What holds for every command: what it prints of a server's answers, where it sends names, what it asks without a
 * Token.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { Argument, Command } from 'commander';
import { afterAll, afterEach, beforeEach, expect, test, vi } from 'vitest';
import * as z from 'zod/mini';
import { Api } from '../../ui-cli/client/api.ts';
import { callAnswer, scheduleAnswer } from '../../ui-cli/client/views/calls.ts';
import { deploymentAnswer, rolloutAnswer } from '../../ui-cli/client/views/handlers.ts';
import { drainAnswer } from '../../ui-cli/client/views/logs.ts';
import { queueMessageAnswer } from '../../ui-cli/client/views/queues.ts';
import { type Environment, readEnvironment } from '../../ui-cli/environment.ts';
import type { Output } from '../../ui-cli/output.ts';
import { buildProgram, runCommandLine } from '../../ui-cli/program.ts';
import { explainEnd } from '../../ui-cli/run/report.ts';
import { callDetail } from '../../ui-cli/text/call.ts';
import { deploymentDetail } from '../../ui-cli/text/deployment.ts';
import { drainDetail } from '../../ui-cli/text/drain.ts';
import { messageFacts } from '../../ui-cli/text/queue.ts';
import { rolloutLines } from '../../ui-cli/text/rollout.ts';
import { scheduleDetail } from '../../ui-cli/text/schedule.ts';

const hostile = 'a\u001b[2J\u0007\u009b1mb\u202ec';
const executed = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;

/** Holds the configuration, and is where commands run: some set up the repository of their folder. */
const folder = mkdtempSync(join(tmpdir(), 'trisiel-commands-'));
const environment: Environment = {
  ...readEnvironment(
    { WASMCLOUD_SERVER: 'http://127.0.0.1:9', WASMCLOUD_TOKEN: 'token' },
    { stdinIsTty: false, stdoutIsTty: false },
  ),
  configFile: join(folder, 'config.json'),
};
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => vi.restoreAllMocks());

let lines: string[] = [];
const add = (text = '') => void lines.push(text);
const unprinted = { json: () => {}, jsonLine: () => {}, bytes: async () => {} };
const out: Output = { ...unprinted, line: add, note: add, colour: false, stdoutIsTty: false };
/** The answer that the server gives of those that a schema takes. */
let turn = 0;
/** Paths that were asked for. */
let asked: string[] = [];

beforeEach(() => {
  lines = [];
  asked = [];
  turn = 0;
  vi.spyOn(Api.prototype, 'call').mockImplementation(async (type, { path }) => {
    asked.push(path);
    return sample(type, turn);
  });
  vi.spyOn(Api.prototype, 'send').mockImplementation(async ({ path }) => {
    asked.push(path);
    return '{}';
  });
  vi.spyOn(process, 'cwd').mockReturnValue(folder);
  // Commands read from it what they would ask a person for.
  vi.spyOn(process, 'stdin', 'get').mockImplementation(() => Readable.from(['{}']) as typeof process.stdin);
});

/** Those that read files, run programs here, or end only when stopped. */
const elsewhere = new Set(['run', 'new', 'completion', 'git-credential', 'help']);

/** Returns the words of every command, with a value for each argument that it has to have. */
function commandLines(command: Command, name: string, before: readonly string[] = []): readonly (readonly string[])[] {
  return command.commands
    .filter((one) => !elsewhere.has(one.name()))
    .flatMap((one) => {
      const words = [...before, one.name()];
      if (one.commands.length > 0) return commandLines(one, name, words);
      const given = one.registeredArguments;
      const needed = given.filter(({ required }) => required);
      return [needed, given.slice(0, 1), given].map((some) => [...words, ...some.map((one) => wordFor(one, name))]);
    });
}

/** Those with words of their own behind the command. */
const also = [
  'tokens create NAME',
  'tokens revoke NAME',
  'invites create',
  'invites delete NAME',
  'account totp --code 123456',
  'team NAME add NAME --role write',
  'transfers accept NAME',
  'users',
  'nodes',
  'nodes add NAME',
  'domains list NAME',
  'domains add NAME example.com',
  'domains check NAME example.com',
].map((line) => line.split(' '));

function everyLine(name: string): readonly (readonly string[])[] {
  const behind = also.map((words) => words.map((word) => (word === 'NAME' ? name : word)));
  return [...commandLines(buildProgram(environment, out).program, name), ...behind];
}

function wordFor(argument: Argument, name: string): string {
  return argument.argChoices?.[0] ?? (/version|number|deployment/.test(argument.name()) ? 'v3' : name);
}

interface JsonSchema {
  readonly type?: string | readonly string[];
  readonly anyOf?: readonly JsonSchema[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly pattern?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: JsonSchema;
  readonly prefixItems?: readonly JsonSchema[];
  readonly items?: JsonSchema;
}

/** Returns an answer that a schema takes; `turn` chooses among the values of enumerations and the members of unions. */
function answerOf(schema: JsonSchema, turn: number, key = ''): unknown {
  const { anyOf, properties, additionalProperties, prefixItems, items } = schema;
  const types = [schema.type].flat();
  const nameless = key === 'next' || key === 'before';
  if ('const' in schema) return schema.const;
  if (schema.enum !== undefined) return schema.enum[turn % schema.enum.length];
  if (anyOf !== undefined) {
    const some = anyOf.filter(({ type }) => (type === 'null') === nameless);
    return answerOf(some[turn % some.length]!, turn);
  }
  if (nameless && types.includes('null')) return null;
  if (properties !== undefined)
    return Object.fromEntries(Object.entries(properties).map(([name, one]) => [name, answerOf(one, turn, name)]));
  if (additionalProperties !== undefined) return { [hostile]: answerOf(additionalProperties, turn) };
  if (prefixItems !== undefined) return prefixItems.map((one) => answerOf(one, turn));
  if (items !== undefined) return [answerOf(items, turn)];
  if (types.includes('string')) return schema.pattern === undefined ? hostile : 'plain';
  if (types.includes('boolean')) return turn % 2 === 1;
  return 3;
}

function sample<T>(type: z.ZodMiniType<T>, turn: number): T {
  // JSON Schema as z.toJSONSchema writes it; what it cannot say is left open.
  const schema = z.toJSONSchema(type, { unrepresentable: 'any', io: 'input' }) as JsonSchema;
  return type.parse(answerOf(schema, turn));
}

/** Answers of a server, one after the other: every value of its enumerations is among them. */
const turns = [0, 1, 2, 3, 4, 5];

test('no text of a server reaches the terminal as more than text, in any command', async () => {
  let all = everyLine('hello');
  const executing: string[] = [];
  for (turn of turns) {
    const asking: (readonly string[])[] = [];
    for (const words of all) {
      const before = asked.length;
      lines = [];
      await runCommandLine(environment, words, out);
      if (executed.test(lines.join('\n'))) executing.push(words.join(' '));
      if (asked.length > before) asking.push(words);
    }
    all = asking;
  }
  expect(executing).toEqual([]);
  expect(all.length).toBeGreaterThan(50);
});

test('nor does it in what screens show about one row', () => {
  for (const turn of turns) {
    const lines = [
      ...callDetail(sample(callAnswer, turn), 200),
      ...deploymentDetail(sample(deploymentAnswer, turn), 200),
      ...drainDetail(sample(drainAnswer, turn), 0, 200),
      ...messageFacts(sample(queueMessageAnswer, turn), 0),
      ...rolloutLines(sample(rolloutAnswer, turn), 0, 200),
      ...scheduleDetail(sample(scheduleAnswer, turn), { width: 200, rows: 20 }),
    ];
    expect(lines.filter((line) => executed.test(line))).toEqual([]);
  }
});

test('nor how a program ended that ran here', () => {
  expect(explainEnd({ kind: 'trap', message: hostile })).not.toMatch(executed);
});

test('a name that would lead elsewhere stays one part of a path', async () => {
  const name = '../b?c#d';
  for (const words of everyLine(name)) await runCommandLine(environment, words, out);
  expect(asked.length).toBeGreaterThan(50);
  expect(asked.filter((path) => path.includes(name) || /[?#]|\.\.\//.test(path))).toEqual([]);
});

test('without a Token nothing is asked, and the way to one is shown', async () => {
  const open = new Set(['signup', 'login', 'logout']);
  for (const words of everyLine('hello')) {
    if (open.has(words[0]!)) continue;
    await runCommandLine({ ...environment, token: null }, words, out);
  }
  expect(asked).toEqual([]);
  expect(lines.filter((line) => line.includes('not logged in')).length).toBeGreaterThan(50);
});

/** Returns the words up to each option with one value, of all commands. */
function optionsWithValue(command: Command, before: readonly string[] = []): readonly (readonly string[])[] {
  const own = command.options
    .filter((one) => one.required && !one.variadic)
    .map(({ long }) => [...before, String(long)]);
  return [...own, ...command.commands.flatMap((one) => optionsWithValue(one, [...before, one.name()]))];
}

test('no option is the value of another one', async () => {
  const all = optionsWithValue(buildProgram(environment, out).program);
  expect(all).toContainEqual(['signup', '--invite']);
  for (const words of all) {
    lines = [];
    expect(await runCommandLine(environment, [...words, String(words.at(-1))], out), words.join(' ')).toBe(1);
    expect(lines.join('\n'), words.join(' ')).toContain(`the value of ${words.at(-1)} is missing`);
  }
  expect(asked).toEqual([]);
});
