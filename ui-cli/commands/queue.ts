/** Command queue: fills, watches, empties and exports a user's queues (docs/queues.md). */
import { type Command, Option } from 'commander';
import { PlatformError } from '../../src/protocol/errors.ts';
import { queueLimits } from '../../src/protocol/limits.ts';
import { type MessageState, messageStates } from '../../src/protocol/nouns.ts';
import type { Context } from '../context.ts';
import { exportedQueue, type LineFormat } from '../exports/export-file.ts';
import { readInput, sendFile } from '../exports/import-file.ts';
import { formatBytes, plural } from '../text/format.ts';
import { messageTable, queueLines, queueTable } from '../text/queue.ts';
import { needYes, parseCount } from './arguments.ts';
import { addExportOptions, type ExportOptions, exportTo } from './export.ts';

interface Selection {
  readonly state?: MessageState;
  /** Position in the queue. */
  readonly after?: number;
}

const queueArgument = 'name of the queue';
const stateOption = () => new Option('--state <state>', 'only messages in this state').choices([...messageStates]);

export function addQueueCommand(program: Command, context: Context): void {
  const queue = program.command('queue').description('your queues: list, publish, read, retry, purge, export');

  queue
    .command('list', { isDefault: true })
    .description('list your queues with what they hold')
    .action(async () => {
      const queues = await (await context.client()).queues.list();
      if (context.json) context.out.json(queues);
      else if (queues.length > 0) for (const line of queueTable(queues, Date.now())) context.out.line(line);
      else context.out.note('no queues yet; a first message makes one: wasmcloud queue publish NAME TEXT');
    });

  queue
    .command('show')
    .description('show what one queue holds')
    .argument('<queue>', queueArgument)
    .action(async (name: string) => {
      const shown = await (await context.client()).queues.show(name);
      context.result(shown, queueLines(shown, Date.now()));
    });

  queue
    .command('publish')
    .description('publish a message: TEXT, a file, or standard input')
    .argument('<queue>', queueArgument)
    .argument('[text]', 'the message')
    .option('--file <file>', 'publish what is in the file; - is standard input')
    .option('--type <type>', 'its media type')
    .option('--key <key>', 'a second message with this key within 24 hours is not published')
    .option('--group <group>', 'messages of one group are delivered one after the other')
    .option('--delay <ms>', 'milliseconds before it is delivered', parseCount(0, queueLimits.delayMs))
    .action(async (name: string, text: string | undefined, options: PublishOptions) =>
      publish(context, name, text, options),
    );

  queue
    .command('import')
    .description('publish a message for each line of an NDJSON file, as export writes them; - is standard input')
    .argument('<queue>', queueArgument)
    .argument('<file>', 'the file; decompressed where it ends in .gz or .zst')
    .action(async (name: string, file: string) => {
      const client = await context.client();
      const done = await sendFile(file, (bytes) => client.queues.publishLines(name, bytes));
      const again = done.duplicates === 0 ? '' : `, ${done.duplicates} had been published before`;
      context.result(done, [`published ${plural(done.published, 'message')} to ${name}${again}`]);
    });

  queue
    .command('read')
    .description('show messages; reading removes nothing')
    .argument('<queue>', queueArgument)
    .addOption(stateOption())
    .option('--after <position>', 'messages after this position', parseCount(0, Number.MAX_SAFE_INTEGER))
    .option('--limit <n>', 'at most so many', parseCount(1, 200))
    .action(async (name: string, options: Selection & { readonly limit?: number }) => {
      const page = await (await context.client()).queues.messages(name, options);
      if (context.json) return context.out.json(page);
      if (page.messages.length === 0) return context.out.note(`no such messages in ${name}`);
      for (const line of messageTable(page.messages)) context.out.line(line);
      if (page.next !== null)
        context.out.note(`hint: wasmcloud queue read ${name} --after ${page.next} shows the next ones`);
    });

  addExportOptions(
    queue
      .command('export')
      .description('write all messages to a file or standard output, a line each')
      .argument('<queue>', queueArgument)
      .option('--out <file>', 'the file; compressed where it ends in .gz or .zst; - is standard output')
      .addOption(stateOption()),
  ).action(async (name: string, options: ExportOptions & Selection & { readonly out?: string }) => {
    const client = await context.client();
    const exported = (format: LineFormat) => exportedQueue(client, name, { ...options, format });
    await exportTo(context, exported, { ...options, out: options.out ?? null });
  });

  queue
    .command('retry')
    .description('deliver dead letters again, all or one')
    .argument('<queue>', queueArgument)
    .option('--id <id>', 'only the message with this id')
    .action(async (name: string, { id }: { readonly id?: string }) => {
      const messages = await (await context.client()).queues.retry(name, id);
      context.result({ queue: name, messages }, [
        `${plural(messages, 'dead letter')} of ${name} will be delivered again`,
      ]);
    });

  for (const [verb, isPaused, description] of [
    ['pause', true, 'deliver nothing until it is resumed; messages are taken as before'],
    ['resume', false, 'deliver again'],
  ] as const)
    queue
      .command(verb)
      .description(description)
      .argument('<queue>', queueArgument)
      .action(async (name: string) => {
        const shown = await (await context.client()).queues.pause(name, isPaused);
        context.result(shown, [`${name} is ${isPaused ? 'paused' : 'delivered again'}`]);
      });

  queue
    .command('purge')
    .description('remove its messages for good, but those that are being delivered')
    .argument('<queue>', queueArgument)
    .addOption(stateOption())
    .option('-y, --yes', 'do not ask')
    .action(async (name: string, { state, yes }: Selection & { readonly yes?: boolean }) => {
      needYes(yes, `purging ${name} removes its messages for good`, `wasmcloud queue purge ${name} --yes`);
      const removed = await (await context.client()).queues.purge(name, state === undefined ? {} : { state });
      const said = `removed ${plural(removed.messages, 'message')} (${formatBytes(removed.bytes)}) from ${name}`;
      context.result({ queue: name, ...removed }, [said]);
    });

  queue
    .command('delete')
    .description('remove the queue with every message in it')
    .argument('<queue>', queueArgument)
    .option('-y, --yes', 'do not ask')
    .action(async (name: string, { yes }: { readonly yes?: boolean }) => {
      needYes(yes, `deleting ${name} removes its messages for good`, `wasmcloud queue delete ${name} --yes`);
      await (await context.client()).queues.delete(name);
      context.result({ queue: name, deleted: true }, [`deleted the queue ${name}`]);
    });
}

interface PublishOptions {
  readonly file?: string;
  readonly type?: string;
  readonly key?: string;
  readonly group?: string;
  /** Milliseconds. */
  readonly delay?: number;
}

async function publish(
  context: Context,
  name: string,
  text: string | undefined,
  { file, type, key, group, delay }: PublishOptions,
): Promise<void> {
  if (text !== undefined && file !== undefined)
    throw new PlatformError('bad_request', 'either TEXT or --file, not both');
  if (text === undefined && file === undefined) {
    throw new PlatformError('bad_request', 'what shall be published?', {
      hints: [
        `wasmcloud queue publish ${name} TEXT`,
        `wasmcloud queue publish ${name} --file FILE (- is standard input)`,
      ],
    });
  }
  const bytes = file === undefined ? Buffer.from(text ?? '') : await readInput(file, queueLimits.messageBytes);
  const done = await (await context.client()).queues.publish(name, {
    bytes,
    type: type ?? (text === undefined ? null : 'text/plain; charset=utf-8'),
    ...(key === undefined ? {} : { key }),
    ...(group === undefined ? {} : { group }),
    ...(delay === undefined ? {} : { delayMs: delay }),
  });
  const said = done.published === 1 ? `published ${done.id} to ${name}` : `${name} has got it before: ${done.id}`;
  context.result(done, [said]);
}
