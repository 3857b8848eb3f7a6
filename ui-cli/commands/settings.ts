/** Commands limits, policy: settings of a handler that need no push. */
import { type Command, InvalidArgumentError } from 'commander';
import { limitKeyOf, limitMeanings, limitNames, maximumLimits } from '../../src/protocol/limits.ts';
import { type Policy, policyLists } from '../../src/protocol/nouns.ts';
import { recordOf } from '../../src/protocol/record-of.ts';
import type { HandlerView } from '../../src/protocol/views.ts';
import type { Context } from '../context.ts';
import { settingsLines } from '../text/settings.ts';
import { handlerArgument, parseCount } from './arguments.ts';

type PolicyOptions = Partial<Policy> & { readonly clear?: boolean };

export function addSettingsCommands(program: Command, context: Context): void {
  const limits = program
    .command('limits')
    .description('show or set limits of a handler without a push; they win over the manifest')
    .argument('[name]', handlerArgument);
  for (const name of limitNames)
    limits.option(`--${limitKeyOf(name)} <n>`, `${limitMeanings[name]}, or default`, orDefault(maximumLimits[name]));
  limits.action(async (given: string | undefined, options: Readonly<Record<string, number | 'default'>>) => {
    const client = await context.client();
    const name = await context.handlerName(given);
    const asked = limitNames.flatMap((limit) => {
      const value = options[limit];
      return value === undefined ? [] : [[limit, value === 'default' ? null : value] as const];
    });
    show(
      context,
      asked.length === 0
        ? await client.handler(name)
        : await client.changeSettings(name, { limits: Object.fromEntries(asked) }),
    );
  });

  program
    .command('policy')
    .description("show or add patterns to a handler's policy without a push; they replace those added before")
    .argument('[name]', handlerArgument)
    .option('--allow <pattern...>', 'URLs that may be opened too')
    .option('--disallow <pattern...>', 'URLs that may not be opened')
    .option('--clear', 'add none')
    .action(async (given: string | undefined, options: PolicyOptions) => {
      const client = await context.client();
      const name = await context.handlerName(given);
      const isChange = options.clear === true || policyLists.some((list) => options[list] !== undefined);
      const policy = recordOf(policyLists, (list) => options[list] ?? []);
      show(context, isChange ? await client.changeSettings(name, { policy }) : await client.handler(name));
    });
}

function show(context: Context, handler: HandlerView): void {
  context.result(handler.settings, settingsLines(handler.settings));
}

function orDefault(most: number): (text: string) => number | 'default' {
  return (text) => {
    if (text === 'default') return text;
    try {
      return parseCount(1, most)(text);
    } catch {
      throw new InvalidArgumentError(`It must be a whole number from 1 to ${most}, or default.`);
    }
  };
}
