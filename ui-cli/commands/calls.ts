/** calls: asynchronous requests of a handler's callers: list, cancel, retry (docs/http.md). */
import { type Command, Option } from 'commander';
import { type CallState, callStates } from '../../src/protocol/nouns.ts';
import type { Context } from '../context.ts';
import { callTable } from '../text/call.ts';
import { handlerArgument, parseCount } from './arguments.ts';

/** Calls that show without --limit. */
const usual = 50;

export function addCallsCommand(program: Command, context: Context): void {
  const calls = program.command('calls').description('asynchronous calls of a handler: list, cancel, retry');
  calls
    .command('list', { isDefault: true })
    .description('list the latest asynchronous calls: what waits, what became of the others')
    .argument('[name]', handlerArgument)
    .addOption(new Option('--state <state>', 'only calls in this state').choices([...callStates]))
    .option('-n, --limit <number>', 'at most so many', parseCount(1, 200), usual)
    .action(async (given: string | undefined, query: { readonly state?: CallState; readonly limit: number }) => {
      const name = await context.handlerName(given);
      const { items } = await (await context.client()).platformCalls.calls(name, query);
      if (context.json) context.out.json(items);
      else if (items.length > 0) for (const line of callTable(items, Date.now())) context.out.line(line);
      else context.out.note(`${name} has no asynchronous calls; a caller asks for one with Prefer: respond-async`);
    });
  for (const [verb, description, said] of [
    ['cancel', 'end a call that waits or runs', 'is cancelled'],
    ['retry', 'make a failed call wait again', 'waits again'],
  ] as const)
    calls
      .command(verb)
      .description(description)
      .argument('<name>', handlerArgument)
      .argument('<call>', 'id of the call, as the list shows it')
      .action(async (name: string, id: string) => {
        await (await context.client()).platformCalls.changeCall(name, id, verb);
        context.result({ id, verb }, [`${id} of ${name} ${said}`]);
      });
}
