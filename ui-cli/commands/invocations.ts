/** invocations: what ran lately, and one of them in full */
import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { invocationLines, invocationTable } from '../text/invocation.ts';

export function addInvocationCommands(program: Command, context: Context): void {
  program
    .command('invocations')
    .description('list the latest invocations, or show one with its log lines')
    .argument('<name>', 'handler')
    .argument('[id]', 'invocation')
    .action(async (name: string, id: string | undefined) => {
      const client = await context.client();
      if (id === undefined) {
        const records = await client.invocations(name);
        if (context.json) context.out.json(records);
        else if (records.length > 0) for (const line of invocationTable(records)) context.out.line(line);
        else context.out.note(`no invocations yet\nhint: wasmcloud invoke ${name}`);
        return;
      }
      const [record, { lines }] = await Promise.all([
        client.invocation(name, id),
        client.logs(name, { invocation: id, limit: 1000 }),
      ]);
      context.result({ ...record, lines }, invocationLines(record, lines));
    });
}
