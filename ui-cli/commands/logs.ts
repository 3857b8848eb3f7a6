/** Commands logs, which prints stored lines and with --follow new ones, and log-retention. */
import { styleText } from 'node:util';
import { type Command, Option } from 'commander';
import { PlatformError } from '../../src/protocol/errors.ts';
import { logLimits } from '../../src/protocol/limits.ts';
import type { InvocationRecord, LogLine, LogStream } from '../../src/protocol/nouns.ts';
import { Calls, endOf } from '../client/calls.ts';
import type { Client } from '../client/client.ts';
import { findInvocationId } from '../client/invocation-id.ts';
import { searchLogs } from '../client/log-search.ts';
import type { LogTailOptions } from '../client/log-tail.ts';
import type { Context } from '../context.ts';
import { exportedRecords } from '../exports/export-file.ts';
import { formatCall, formatLogLine, resumedText, searchStopped, severityOf } from '../text/log-line.ts';
import { typedBytes } from '../text/size.ts';
import {
  handlerArgument,
  levelChoices,
  parseBytes,
  parseCount,
  parseLevel,
  parseStatus,
  parseTime,
  parseVersion,
} from './arguments.ts';
import { addExportOptions, type ExportOptions, exportTo } from './export.ts';

/** Lines of one call that --status prints. */
const linesOfCall = 1_000;

/**
 * Options as commander gives them. `after`: cursor; `level`: number of the least severe level; `since` and `until`:
 * Unix milliseconds.
 */
interface LogOptions {
  readonly follow?: boolean;
  readonly after?: number;
  readonly grep?: string;
  readonly level?: number;
  readonly limit: number;
  readonly invocation?: string;
  readonly since?: number;
  readonly until?: number;
  readonly stderr?: boolean;
  readonly preview?: string;
  readonly regex?: string;
  readonly field?: readonly string[];
  readonly deployment?: number;
  readonly status?: (status: number) => boolean;
  /** False when --no-requests is given. */
  readonly requests: boolean;
}

export function addLogCommands(program: Command, context: Context): void {
  addLogRetentionCommand(program, context);
  const logs = program
    .command('logs')
    .description('show the logs of handlers, and a line for each call; with --json one log line a line')
    .argument('[name...]', handlerArgument)
    .option('-f, --follow', 'go on with new lines until Ctrl-C')
    .option('-n, --limit <number>', 'at most so many lines', parseCount(1, logLimits.batchLines), 100)
    .option('--since <time>', 'only from then on: 10m, 1h, 2d, or 2026-11-26T08:15', (text) => parseTime(text))
    .option('--until <time>', 'only before then', (text) => parseTime(text))
    .option('--after <cursor>', 'only lines after this cursor', parseCount(0, Number.MAX_SAFE_INTEGER))
    .option('-g, --grep <text>', 'only lines that contain this text')
    .option('-e, --regex <pattern>', 'only lines that contain a match of this regular expression')
    .option('--field <name=value>', 'only lines with this field; NAME alone: with any value; may be repeated', collect)
    .option('-l, --level <level>', `${levelChoices}: only lines at least as severe`, parseLevel)
    .option('--stderr', 'only what was written to standard error')
    .option('--preview <slug>', 'only lines of this preview, as wasmcloud previews names it')
    .option('--deployment <version>', 'only lines of this version, such as v3', parseVersion)
    .option('-i, --invocation <id>', 'only lines of this invocation')
    .option('--status <status>', 'only calls with this status, 404 or 5xx, and their lines', parseStatus)
    .option('--no-requests', 'no lines for calls')
    .addOption(
      new Option(
        '--export <file>',
        'write all lines that are kept to a file, oldest first (.gz, .zst: compressed)',
      ).conflicts([
        ...[
          'follow',
          'limit',
          'since',
          'until',
          'after',
          'grep',
          'level',
          'stderr',
          'preview',
          'invocation',
          'regex',
          'field',
          'deployment',
          'status',
          'requests',
        ],
      ]),
    );
  addExportOptions(logs, 'export').action(
    async (given: readonly string[], options: LogOptions & ExportOptions & { readonly export?: string }) => {
      const name = await context.handlerName(given[0]);
      const others = [...new Set(given.slice(1))].filter((other) => other !== name);
      if (others.length > 0 && [options.status, options.export, options.invocation].some((one) => one !== undefined))
        throw new PlatformError('bad_request', '--status, --export and --invocation are for one handler');
      const client = await context.client();
      if (options.export !== undefined)
        return exportTo(context, (format) => exportedRecords(client, name, 'logs', format), {
          ...options,
          out: options.export,
        });
      if (options.follow && options.until !== undefined)
        throw new PlatformError('bad_request', '--follow has no end, so it does not go with --until');
      const write = lineWriter(context, others.length > 0);
      const job = { name, others, options, calls: new Calls(() => client, name), write };
      await (options.status === undefined ? showLines(context, client, job) : showCalls(context, client, job));
    },
  );
}

/** Command log-retention: how long and how much of a handler's log is kept. */
function addLogRetentionCommand(program: Command, context: Context): void {
  program
    .command('log-retention')
    .description('show or set how long and how much of the log of a handler is kept, without a push')
    .argument('[name]', handlerArgument)
    .option('--days <n>', 'days that lines are kept, or default', orDefault(parseCount(1, logLimits.retainedDaysMax)))
    .option(
      '--bytes <size>',
      'bytes that are kept as they are stored, such as 10MiB, or default',
      orDefault(parseBytes),
    )
    .action(async (given: string | undefined, options: { readonly days?: Setting; readonly bytes?: Setting }) => {
      const client = await context.client();
      const name = await context.handlerName(given);
      const chosen = (setting: Setting): number | null => (setting === 'default' ? null : setting);
      const change = {
        ...(options.days === undefined ? {} : { days: chosen(options.days) }),
        ...(options.bytes === undefined ? {} : { bytes: chosen(options.bytes) }),
      };
      const isChange = Object.keys(change).length > 0;
      const kept = isChange ? await client.setLogRetention(name, change) : await client.logRetention(name);
      const { days, bytes, server } = kept;
      context.result(kept, [
        `days   ${days ?? server.days}${days === null ? ' (default)' : ''}`,
        `bytes  ${typedBytes(bytes ?? server.bytes)}${bytes === null ? ' (default)' : ''}`,
      ]);
    });
}

type Setting = number | 'default';

function orDefault(parse: (text: string) => number): (text: string) => Setting {
  return (text) => (text === 'default' ? text : parse(text));
}

interface Job {
  readonly name: string;
  /** Further handlers, whose lines are printed too. */
  readonly others: readonly string[];
  readonly options: LogOptions;
  readonly calls: Calls;
  readonly write: Writer;
}

interface Writer {
  line(line: LogLine): void;
  call(record: InvocationRecord): void;
}

/** Prints lines and, between them, calls at the time of their ends. */
async function showLines(context: Context, client: Client, job: Job): Promise<void> {
  const { name, others, options, calls, write } = job;
  const { follow: goOn, limit, since, until } = options;
  const invocation =
    options.invocation === undefined ? undefined : await findInvocationId(client, name, options.invocation);
  const { after, ...filter } = { ...lineFilter(options), invocation };
  const history = await searchLogs(client, name, {
    ...filter,
    after,
    limit,
    also: others.length === 0 ? undefined : others.join(','),
    sinceMs: since,
    untilMs: until,
  });
  const { lines } = history;
  if (history.expired > 0) {
    if (context.json) context.out.jsonLine({ expired: history.expired });
    else context.out.line(`-- ${history.expired} lines after this cursor are not kept any more --`);
  }
  // A search for lines leaves calls out, and programs read only log lines.
  const searches = after !== undefined || isAny(filter);
  const withCalls = options.requests && !context.json && !searches && others.length === 0;
  // Above a full page there are older lines, which are not printed, so calls older than the first line are left out
  // too.
  const fromMs = Math.max(since ?? 0, lines.length < limit ? 0 : (lines[0]?.timeMs ?? 0));
  const ended = withCalls
    ? (await calls.fresh()).filter((record) => endOf(record) >= fromMs && endOf(record) < (until ?? Infinity))
    : [];
  const shown = [
    ...lines.map((line) => ({ atMs: line.timeMs, write: () => write.line(line) })),
    ...ended.map((record) => ({ atMs: endOf(record), write: () => write.call(record) })),
  ];
  for (const entry of shown.toSorted((a, b) => a.atMs - b.atMs).slice(-limit)) entry.write();
  if (history.stopped) context.out.note(searchStopped);
  if (goOn) {
    const given = Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined));
    const tails = [name, ...others].map((handler) => ({ handler, after: history.cursor, ...given }));
    await follow(context, client, { tails, write, calls: withCalls ? calls : null });
  } else if (shown.length === 0 && !history.stopped && !context.json) {
    const about = await aboutTime(client, name, options);
    context.out.note(about ?? noLines(name, invocation, searches));
  }
}

/** Returns the filter of lines that `options` ask for. */
function lineFilter({ after, grep, level, stderr, preview, regex, field, deployment }: LogOptions) {
  const stream: LogStream | undefined = stderr === true ? 'stderr' : undefined;
  return { after, grep, level, stream, preview, regex, field, deployment };
}

function isAny(filter: object): boolean {
  return Object.values(filter).some((wanted) => wanted !== undefined);
}

/** Returns why no lines are in the time that was asked for, if the log begins later or ends before; null otherwise. */
async function aboutTime(client: Client, name: string, { since, until }: LogOptions): Promise<string | null> {
  if (since !== undefined && until !== undefined && since >= until)
    return 'no log lines: --until is not after --since\nhint: --since is the earlier time';
  if (since === undefined && until === undefined) return null;
  const [oldest, newest] = await Promise.all([
    client.logs(name, { after: 0, limit: 1 }),
    client.logs(name, { limit: 1 }),
  ]);
  const first = oldest.lines[0]?.timeMs;
  const last = newest.lines[0]?.timeMs;
  const at = (timeMs: number) => new Date(timeMs).toISOString();
  if (first !== undefined && until !== undefined && until <= first)
    return `no log lines: the oldest that is kept is of ${at(first)}\nhint: how long lines are kept: wasmcloud log-retention ${name}`;
  if (last !== undefined && since !== undefined && since > last)
    return `no log lines: the newest is of ${at(last)}\nhint: an earlier time finds it: --since ${at(last)}`;
  return null;
}

function noLines(name: string, invocation: string | undefined, searches: boolean): string {
  if (invocation !== undefined)
    return `no log lines of this invocation\nhint: see its record: wasmcloud invocations ${name} ${invocation}`;
  return searches ? 'no log lines match' : `no log lines\nhint: call the handler: wasmcloud invoke ${name}`;
}

/** Prints calls with a status, each after its lines; of those only lines that are searched for, without the calls. */
async function showCalls(context: Context, client: Client, { name, options, calls, write }: Job): Promise<void> {
  const { limit, since = 0, until = Infinity, status = () => true } = options;
  const wanted = (record: InvocationRecord) => status(record.status) && endOf(record) < until;
  const filter = lineFilter(options);
  const withCalls = options.requests && !context.json && !isAny(filter);
  const show = async (record: InvocationRecord) => {
    const { lines } = await searchLogs(client, name, { ...filter, invocation: record.id, limit: linesOfCall });
    for (const line of lines) write.line(line);
    if (withCalls) write.call(record);
  };
  // Marks the present calls as seen, so that `follow` yields later ones only.
  if (options.follow) await calls.fresh();
  const found = await calls.search({ limit, sinceMs: since, wanted });
  for (const record of found.toReversed()) await show(record);
  if (!options.follow) {
    if (found.length === 0 && !context.json) context.out.note('no such calls are kept');
    return;
  }
  const interrupt = new AbortController();
  context.onInterrupt = () => interrupt.abort();
  for await (const fresh of calls.follow(interrupt.signal))
    for (const record of fresh.filter(wanted)) await show(record);
}

/**
 * Makes what prints lines and calls. `named`: each line begins with its handler, where lines of several are printed.
 */
function lineWriter(context: Context, named: boolean): Writer {
  const iso = !context.out.stdoutIsTty;
  const paint = (colour: 'red' | 'yellow' | 'dim' | null, text: string) =>
    context.out.line(context.out.colour && colour !== null ? styleText(colour, text, { validateStream: false }) : text);
  return {
    line: (line) => {
      if (context.json) return context.out.jsonLine(line);
      const severity = severityOf(line);
      paint(
        severity === 'error' ? 'red' : severity === 'warning' ? 'yellow' : null,
        `${named ? `${line.handler} ` : ''}${formatLogLine(line, { iso })}`,
      );
    },
    call: (record) => paint(record.status >= 500 ? 'red' : 'dim', formatCall(record, { iso })),
  };
}

interface FollowOptions {
  /** A tail for each handler. */
  readonly tails: readonly LogTailOptions[];
  readonly write: Writer;
  /** Calls to print too; null: none. */
  readonly calls: Calls | null;
}

/** Prints new lines until Ctrl-C, which is the usual end and therefore a success. */
async function follow(context: Context, client: Client, options: FollowOptions): Promise<void> {
  const { write, calls } = options;
  const ended = Promise.withResolvers<void>();
  const stop = new AbortController();
  const about = ({ handler }: LogTailOptions) => (options.tails.length > 1 ? `${handler}: ` : '');
  const tails = await Promise.all(
    options.tails.map((tail) =>
      client.tail(tail, {
        lines: (lines) => {
          for (const line of lines) write.line(line);
        },
        dropped: (count) => {
          if (context.json) context.out.jsonLine({ dropped: count });
          else context.out.line(`-- ${about(tail)}${count} lines were lost --`);
        },
        state: (state) => {
          if (state.kind === 'waiting')
            context.out.note(`-- ${about(tail)}${state.why}; trying again in ${(state.inMs / 1000).toFixed(1)} s --`);
          else if (state.kind === 'resumed') context.out.note(`-- ${about(tail)}${resumedText(state.missed)} --`);
        },
        failed: ended.reject,
      }),
    ),
  );
  context.onInterrupt = () => {
    for (const tail of tails) tail.close();
    ended.resolve();
  };
  if (calls !== null) followCalls(calls, write, stop.signal).catch(ended.reject);
  try {
    await ended.promise;
  } finally {
    stop.abort();
    for (const tail of tails) tail.close();
  }
}

function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

async function followCalls(calls: Calls, write: Writer, signal: AbortSignal): Promise<void> {
  for await (const fresh of calls.follow(signal)) for (const record of fresh) write.call(record);
}
