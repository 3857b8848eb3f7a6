/** Command logs: prints stored lines, and with --follow new ones. */
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
import { formatCall, formatLogLine, searchStopped, severityOf } from '../text/log-line.ts';
import { handlerArgument, levelChoices, parseCount, parseLevel, parseStatus, parseTime } from './arguments.ts';
import { addExportOptions, type ExportOptions, exportTo } from './export.ts';

/** Lines of one call that --status prints. */
const linesOfCall = 1_000;

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
  readonly status?: (status: number) => boolean;
  /** False when --no-requests is given. */
  readonly requests: boolean;
}

export function addLogCommands(program: Command, context: Context): void {
  const logs = program
    .command('logs')
    .description('show the log of a handler, and a line for each call; with --json one log line a line')
    .argument('[name]', handlerArgument)
    .option('-f, --follow', 'go on with new lines until Ctrl-C')
    .option('-n, --limit <number>', 'at most so many lines', parseCount(1, logLimits.batchLines), 100)
    .option('--since <time>', 'only from then on: 10m, 1h, 2d, or 2026-11-26T08:15', (text) => parseTime(text))
    .option('--until <time>', 'only before then', (text) => parseTime(text))
    .option('--after <cursor>', 'only lines after this cursor', parseCount(0, Number.MAX_SAFE_INTEGER))
    .option('-g, --grep <text>', 'only lines that contain this text')
    .option('-l, --level <level>', `${levelChoices}: only lines at least as severe`, parseLevel)
    .option('--stderr', 'only what was written to standard error')
    .option('--preview <slug>', 'only lines of this preview, as wasmcloud previews names it')
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
          'invocation',
          'status',
          'requests',
        ],
      ]),
    );
  addExportOptions(logs, 'export').action(
    async (given: string | undefined, options: LogOptions & ExportOptions & { readonly export?: string }) => {
      const name = await context.handlerName(given);
      const client = await context.client();
      if (options.export !== undefined)
        return exportTo(context, exportedRecords(client, name, 'logs', options.format), {
          ...options,
          out: options.export,
        });
      if (options.follow && options.until !== undefined)
        throw new PlatformError('bad_request', '--follow has no end, so it does not go with --until');
      const job = { name, options, calls: new Calls(() => client, name), write: lineWriter(context) };
      await (options.status === undefined ? showLines(context, client, job) : showCalls(context, client, job));
    },
  );
}

interface Job {
  readonly name: string;
  readonly options: LogOptions;
  readonly calls: Calls;
  readonly write: Writer;
}

interface Writer {
  line(line: LogLine): void;
  call(record: InvocationRecord): void;
}

/** Prints lines and, between them, calls at the time of their ends. */
async function showLines(context: Context, client: Client, { name, options, calls, write }: Job): Promise<void> {
  const { follow: goOn, after, grep, level, limit, since, until, preview } = options;
  const invocation =
    options.invocation === undefined ? undefined : await findInvocationId(client, name, options.invocation);
  const stream: LogStream | undefined = options.stderr === true ? 'stderr' : undefined;
  const history = await searchLogs(client, name, {
    after,
    grep,
    level,
    limit,
    invocation,
    stream,
    preview,
    sinceMs: since,
    untilMs: until,
  });
  const { lines } = history;
  if (history.expired > 0) {
    if (context.json) context.out.jsonLine({ expired: history.expired });
    else context.out.line(`-- ${history.expired} lines after this cursor are not kept any more --`);
  }
  // A search for lines leaves calls out, and programs read only log lines.
  const searches = [grep, level, after, stream, invocation, preview].some((wanted) => wanted !== undefined);
  const withCalls = options.requests && !context.json && !searches;
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
    const filter = { ...(grep === undefined ? {} : { grep }), ...(level === undefined ? {} : { level }) };
    const tail = {
      handler: name,
      after: history.cursor,
      ...filter,
      ...(stream === undefined ? {} : { stream }),
      ...(preview === undefined ? {} : { preview }),
    };
    await follow(context, client, { tail, invocation, write, calls: withCalls ? calls : null });
  } else if (shown.length === 0 && !history.stopped && !context.json) {
    context.out.note(`no log lines\nhint: call the handler: wasmcloud invoke ${name}`);
  }
}

/** Prints calls with a status, each after its lines. */
async function showCalls(context: Context, client: Client, { name, options, calls, write }: Job): Promise<void> {
  const { limit, since = 0, until = Infinity, status = () => true } = options;
  const wanted = (record: InvocationRecord) => status(record.status) && endOf(record) < until;
  const show = async (record: InvocationRecord) => {
    const { lines } = await searchLogs(client, name, { invocation: record.id, limit: linesOfCall });
    for (const line of lines) write.line(line);
    if (options.requests && !context.json) write.call(record);
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

function lineWriter(context: Context): Writer {
  const iso = !context.out.stdoutIsTty;
  const paint = (colour: 'red' | 'yellow' | 'dim' | null, text: string) =>
    context.out.line(context.out.colour && colour !== null ? styleText(colour, text, { validateStream: false }) : text);
  return {
    line: (line) => {
      if (context.json) return context.out.jsonLine(line);
      const severity = severityOf(line);
      paint(severity === 'error' ? 'red' : severity === 'warning' ? 'yellow' : null, formatLogLine(line, { iso }));
    },
    call: (record) => paint(record.status >= 500 ? 'red' : 'dim', formatCall(record, { iso })),
  };
}

interface FollowOptions {
  readonly tail: LogTailOptions;
  /** Whole id of the only invocation whose lines are printed; the stream has no such filter. */
  readonly invocation: string | undefined;
  readonly write: Writer;
  /** Calls to print too; null: none. */
  readonly calls: Calls | null;
}

/** Prints new lines until Ctrl-C, which is the usual end and therefore a success. */
async function follow(context: Context, client: Client, options: FollowOptions): Promise<void> {
  const { invocation, write, calls } = options;
  const ended = Promise.withResolvers<void>();
  const stop = new AbortController();
  let interrupted = false;
  const tail = await client.tail(options.tail, {
    lines: (lines) => {
      for (const line of lines) if (invocation === undefined || line.invocation === invocation) write.line(line);
    },
    dropped: (count) => {
      if (context.json) context.out.jsonLine({ dropped: count });
      else context.out.line(`-- ${count} lines were lost --`);
    },
    state: (state) => {
      if (state.kind === 'waiting') {
        interrupted = true;
        context.out.note(`-- ${state.why}; trying again in ${(state.inMs / 1000).toFixed(1)} s --`);
      } else if (state.kind === 'live' && interrupted) {
        interrupted = false;
        context.out.note('-- connected again, nothing was missed --');
      }
    },
    failed: ended.reject,
  });
  context.onInterrupt = () => {
    tail.close();
    ended.resolve();
  };
  if (calls !== null) followCalls(calls, write, stop.signal).catch(ended.reject);
  try {
    await ended.promise;
  } finally {
    stop.abort();
  }
}

async function followCalls(calls: Calls, write: Writer, signal: AbortSignal): Promise<void> {
  for await (const fresh of calls.follow(signal)) for (const record of fresh) write.call(record);
}
