/** logs: what was, and with --follow what comes */
import { styleText } from 'node:util';
import type { Command } from 'commander';
import { logLimits } from '../../src/protocol/limits.ts';
import type { LogLine } from '../../src/protocol/nouns.ts';
import type { Client } from '../client/client.ts';
import type { Context } from '../context.ts';
import { formatLogLine, severityOf } from '../text/log-line.ts';
import { handlerArgument, levelChoices, parseCount, parseLevel } from './arguments.ts';

interface LogOptions {
  readonly follow?: boolean;
  readonly after?: number;
  readonly grep?: string;
  readonly level?: number;
  readonly limit: number;
  readonly invocation?: string;
}

export function addLogCommands(program: Command, context: Context): void {
  program
    .command('logs')
    .description('show the log of a handler; with --json one object a line')
    .argument('[name]', handlerArgument)
    .option('-f, --follow', 'go on with new lines until Ctrl-C')
    .option('-n, --limit <number>', 'at most so many lines', parseCount(1, logLimits.batchLines), 100)
    .option('--after <cursor>', 'only lines after this cursor', parseCount(0, Number.MAX_SAFE_INTEGER))
    .option('-g, --grep <text>', 'only lines that contain this text')
    .option('-l, --level <level>', `${levelChoices}: only lines at least as severe`, parseLevel)
    .option('-i, --invocation <id>', 'only lines of this invocation')
    .action(async (given: string | undefined, options: LogOptions) => {
      const name = await context.handlerName(given);
      const client = await context.client();
      const write = lineWriter(context);
      const { follow: _follow, ...query } = options;
      const history = await client.logs(name, query);
      for (const line of history.lines) write(line);
      if (options.follow) {
        await follow(context, client, { name, options, after: history.cursor, write });
      } else if (history.lines.length === 0 && !context.json) {
        context.out.note(`no log lines\nhint: call the handler: wasmcloud invoke ${name}`);
      }
    });
}

function lineWriter(context: Context): (line: LogLine) => void {
  if (context.json) return (line) => context.out.jsonLine(line);
  const iso = !context.out.stdoutIsTty;
  return (line) => {
    const text = formatLogLine(line, { iso });
    const severity = severityOf(line);
    if (!context.out.colour || severity === 'info' || severity === 'other') context.out.line(text);
    else context.out.line(styleText(severity === 'error' ? 'red' : 'yellow', text, { validateStream: false }));
  };
}

interface FollowOptions {
  readonly name: string;
  readonly options: LogOptions;
  readonly after: number;
  readonly write: (line: LogLine) => void;
}

/** Until Ctrl-C, which is how one ends it, so that is success. */
async function follow(context: Context, client: Client, { name, options, after, write }: FollowOptions): Promise<void> {
  const { grep, level, invocation } = options;
  const ended = Promise.withResolvers<void>();
  let interrupted = false;
  const tail = await client.tail(
    { handler: name, after, ...(grep === undefined ? {} : { grep }), ...(level === undefined ? {} : { level }) },
    {
      lines: (lines) => {
        // The stream has no filter for an invocation.
        for (const line of lines) if (invocation === undefined || line.invocation === invocation) write(line);
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
    },
  );
  context.onInterrupt = () => {
    tail.close();
    ended.resolve();
  };
  return ended.promise;
}
