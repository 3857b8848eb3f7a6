/** invocations: what ran lately, and one of them in full */
import { type Command, Option } from 'commander';
import { PlatformError } from '../../src/protocol/errors.ts';
import type { InvocationRecord } from '../../src/protocol/nouns.ts';
import { findInvocationId, looksLikeId } from '../client/invocation-id.ts';
import { searchLogs } from '../client/log-search.ts';
import type { Context } from '../context.ts';
import { exportedRecords } from '../exports/export-file.ts';
import { invocationLines, invocationTable } from '../text/invocation.ts';
import { handlerArgument } from './arguments.ts';
import { addExportOptions, type ExportOptions, exportTo } from './export.ts';

export function addInvocationCommands(program: Command, context: Context): void {
  const invocations = program
    .command('invocations')
    .description('list the latest invocations, or show one with its log lines')
    .usage('[options] [name] [id]')
    .argument('[name]', handlerArgument)
    .argument('[id]', 'invocation, as any command prints it')
    .addOption(new Option('--running', 'only those that have not ended').conflicts('export'))
    .addOption(new Option('--cancel', 'end the invocation with this id, which runs').conflicts(['export', 'running']))
    .option(
      '--export <file>',
      'write all that are kept and have ended to a file, oldest first (.gz, .zst: compressed)',
    );
  addExportOptions(invocations, 'export').action(
    async (
      first: string | undefined,
      second: string | undefined,
      options: ExportOptions & { readonly running?: boolean; readonly cancel?: boolean; readonly export?: string },
    ) => {
      const { running = false } = options;
      // Inside a repository: `invocations ID`. Names of handlers are no ids.
      const [given, id] =
        second === undefined && first !== undefined && looksLikeId(first) ? [undefined, first] : [first, second];
      const name = await context.handlerName(given);
      const client = await context.client();
      if (options.export !== undefined) {
        if (id !== undefined)
          throw new PlatformError('bad_request', '--export writes all invocations: leave out the id');
        return exportTo(context, (format) => exportedRecords(client, name, 'invocations', format), {
          ...options,
          out: options.export,
        });
      }
      if (options.cancel === true) {
        if (id === undefined) throw new PlatformError('bad_request', '--cancel needs the id of an invocation');
        const whole = await findInvocationId(client, name, id);
        await client.cancelInvocation(name, whole);
        return context.result({ cancelled: whole }, [`${whole} is ended; its caller is answered 503 cancelled`]);
      }
      if (id === undefined) {
        const listed = await client.invocations(name);
        const records = running ? listed.filter(isRunning) : listed;
        if (context.json) context.out.json(records);
        else if (records.length > 0) for (const line of invocationTable(records)) context.out.line(line);
        else if (running) context.out.note('no invocation is running');
        else context.out.note(`no invocations yet\nhint: wasmcloud invoke ${name}`);
        return;
      }
      const whole = await findInvocationId(client, name, id);
      const [record, page] = await Promise.all([
        client.invocation(name, whole),
        searchLogs(client, name, { invocation: whole, limit: 1000 }),
      ]);
      context.result({ ...record, lines: page.lines }, invocationLines(record, page));
    },
  );
}

function isRunning({ outcome }: InvocationRecord): boolean {
  return (outcome as string) === 'running';
}
