/** queue: what functions of a handler have published through queue://NAME. */
import type { Command } from 'commander';
import { PlatformError } from '../../src/protocol/errors.ts';
import type { Context } from '../context.ts';
import { formatBytes, plural } from '../text/format.ts';
import { messageTable, queueTable } from '../text/queue.ts';
import { handlerArgument, parseCount } from './arguments.ts';

interface QueueOptions {
  readonly after?: number;
  readonly limit?: number;
  readonly yes?: boolean;
}

export function addQueueCommand(program: Command, context: Context): void {
  program
    .command('queue')
    .description('list the queues of a handler, read or purge one')
    .usage('[name] [read QUEUE | purge QUEUE]')
    .argument('[name]', handlerArgument)
    .argument('[action]', 'read or purge')
    .argument('[queue]', 'name of the queue')
    .option('--after <position>', 'with read: messages after this position', parseCount(0, Number.MAX_SAFE_INTEGER))
    .option('--limit <n>', 'with read: at most so many messages', parseCount(1, 200))
    .option('-y, --yes', 'with purge: do not ask')
    .action(
      async (
        first: string | undefined,
        second: string | undefined,
        third: string | undefined,
        options: QueueOptions,
      ) => {
        // Inside a repository: `queue read NAME`.
        const named = third !== undefined || (first !== 'read' && first !== 'purge');
        const [given, action, queue] = named ? [first, second, third] : [undefined, first, second];
        const handler = await context.handlerName(given);
        if (action === undefined) return list(context, handler);
        if (action !== 'read' && action !== 'purge')
          throw new PlatformError('bad_request', `queue knows read and purge, not ${JSON.stringify(action)}`);
        if (queue === undefined)
          throw new PlatformError('bad_request', `which queue? wasmcloud queue ${handler} ${action} NAME`);
        return action === 'read'
          ? read(context, { handler, queue, options })
          : purge(context, { handler, queue, options });
      },
    );
}

interface QueueCall {
  readonly handler: string;
  readonly queue: string;
  readonly options: QueueOptions;
}

async function list(context: Context, handler: string): Promise<void> {
  const queues = await (await context.client()).queues(handler);
  if (context.json) context.out.json(queues);
  else if (queues.length > 0) for (const line of queueTable(queues, Date.now())) context.out.line(line);
  else context.out.note('no messages wait in a queue');
}

async function read(context: Context, { handler, queue, options }: QueueCall): Promise<void> {
  const { after, limit } = options;
  const page = await (await context.client()).queueMessages(handler, queue, {
    ...(after === undefined ? {} : { after }),
    ...(limit === undefined ? {} : { limit }),
  });
  if (context.json) return context.out.json(page);
  if (page.messages.length === 0) return context.out.note(`no messages in ${queue}`);
  for (const line of messageTable(page.messages)) context.out.line(line);
  if (page.next !== null)
    context.out.note(`hint: wasmcloud queue ${handler} read ${queue} --after ${page.next} shows the next ones`);
}

async function purge(context: Context, { handler, queue, options }: QueueCall): Promise<void> {
  if (options.yes !== true)
    throw new PlatformError('bad_request', `purging ${queue} removes its messages for good; it needs a yes`, {
      hints: [`wasmcloud queue ${handler} purge ${queue} --yes`],
    });
  const removed = await (await context.client()).purgeQueue(handler, queue);
  if (context.json) return context.out.json({ handler, queue, ...removed });
  context.out.line(`removed ${plural(removed.messages, 'message')} (${formatBytes(removed.bytes)}) from ${queue}`);
}
