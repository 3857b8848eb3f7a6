/** Command audit: shows who did what to a handler, or on the whole platform. */
import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { auditTable } from '../text/audit.ts';
import { handlerArgument, parseCount } from './arguments.ts';

interface Options {
  readonly all?: boolean;
  readonly user?: string;
  readonly operation?: string;
  /** Number of an entry. */
  readonly after?: number;
  /** Most entries to print. */
  readonly limit?: number;
  readonly export?: boolean;
}

export function addAuditCommand(program: Command, context: Context): void {
  program
    .command('audit')
    .description('show who did what to a handler, when and from where, newest first')
    .argument('[name]', handlerArgument)
    .option('--all', 'everything on the platform (administrators)')
    .option('--user <name>', 'entries of this user')
    .option('--operation <id>', 'entries of this operation, such as setVariable or gitPush')
    .option('--after <number>', 'older than this entry; with --export, newer', parseCount(0, Number.MAX_SAFE_INTEGER))
    .option('--limit <n>', 'at most so many', parseCount(1, 200))
    .option('--export', 'write all of them to standard output, oldest first, a line of JSON each')
    .action(async (given: string | undefined, { all, limit, export: whole, ...filter }: Options) => {
      const handler = all === true ? null : await context.handlerName(given);
      const client = await context.client();
      if (whole === true)
        return client.accounts.exportAudit(handler, filter, async (bytes) => {
          for await (const chunk of bytes) await context.out.bytes(chunk);
        });
      const page = await client.accounts.audit(handler, { ...filter, limit: limit ?? 50 });
      if (context.json) return context.out.json(page);
      if (page.entries.length === 0) return context.out.note('no such entries');
      for (const line of auditTable(page.entries)) context.out.line(line);
      if (page.next !== null)
        context.out.note(`hint: wasmcloud audit ${handler ?? '--all'} --after ${page.next} shows older ones`);
    });
}
