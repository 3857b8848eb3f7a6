/**
 * Command drains: where log lines are handed on to, and how that fares (docs/drains.md). Settings hold secrets: they
 * are never in argv.
 */
import { type Command, Option } from 'commander';
import { PlatformError } from '../../src/protocol/errors.ts';
import type { Context } from '../context.ts';
import { readSecret } from '../prompt.ts';
import { drainTable } from '../text/drain.ts';
import { visible } from '../text/visible.ts';
import { handlerArgument } from './arguments.ts';

interface ServerOption {
  readonly server?: boolean;
}

const server = () =>
  new Option('--server', 'drains of the whole server, for the lines of all handlers (administrators)');

export function addDrainCommands(program: Command, context: Context): void {
  const drains = program.command('drains').description('hand log lines on to a receiver: list, set, remove');
  drains
    .command('list', { isDefault: true })
    .description('list drains, how many lines they have handed on, and what went wrong')
    .argument('[name]', handlerArgument)
    .addOption(server())
    .action(async (given: string | undefined, options: ServerOption) => {
      const handler = options.server === true ? null : await context.handlerName(given);
      const all = await (await context.client()).drains.list(handler);
      if (context.json) context.out.json(all);
      else if (all.length > 0) for (const line of drainTable(all, Date.now())) context.out.line(line);
      else context.out.note(`no drains\nhint: wasmcloud drains set ${handler ?? '--server'} DRAIN < settings.json`);
    });
  drains
    .command('set')
    .description('make a drain, or give it other settings, read from standard input as JSON')
    .usage('[options] [name] <drain>')
    .argument('<words...>', 'handler, and a name for the drain')
    .addOption(server())
    .addHelpText(
      'after',
      '\nExample:\n  echo \'{"kind":"webhook","url":"https://example.com/log"}\' | wasmcloud drains set swift-otter archive',
    )
    .action(async (words: readonly string[], options: ServerOption) => {
      const { handler, drain } = await named(context, words, options);
      if (context.environment.interactive)
        throw new PlatformError('bad_request', 'the settings are read from standard input', {
          hints: [`wasmcloud drains set ${words.join(' ')} < settings.json`],
        });
      const settings = parse(await readSecret());
      const shown = await (await context.client()).drains.put(handler, drain, settings);
      context.result(shown, [`${drain} hands lines on to ${visible(shown.target)}`]);
    });
  drains
    .command('remove')
    .description('remove a drain')
    .usage('[options] [name] <drain>')
    .argument('<words...>', 'handler, and the name of the drain')
    .addOption(server())
    .action(async (words: readonly string[], options: ServerOption) => {
      const { handler, drain } = await named(context, words, options);
      await (await context.client()).drains.remove(handler, drain);
      context.result({ drain, removed: true }, [`removed ${drain}`]);
    });
}

/** Returns the handler (null: the server) and the drain that `[name] <drain>` names. */
async function named(
  context: Context,
  words: readonly string[],
  { server: isServer }: ServerOption,
): Promise<{ readonly handler: string | null; readonly drain: string }> {
  const drain = words.at(-1);
  if (drain === undefined || words.length > (isServer === true ? 1 : 2))
    throw new PlatformError('bad_request', isServer === true ? 'name one drain' : 'name a handler and one drain');
  return {
    handler: isServer === true ? null : await context.handlerName(words.length > 1 ? words[0] : undefined),
    drain,
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new PlatformError('bad_request', 'the settings are no JSON; nothing was changed');
  }
}
