/** Command quota: shows its usage, and what could be deleted. */
import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { isNearQuota, quotaLines } from '../text/quota.ts';

export function addQuotaCommand(program: Command, context: Context): void {
  program
    .command('quota')
    .description('show how much of your quota is used, by kind and by handler')
    .action(async () => {
      const view = await (await context.client()).quota();
      const { quotaBytes, usedBytes, byKind, handlers, domains } = view;
      context.result({ quotaBytes, usedBytes, byKind, handlers, domains }, quotaLines(view));
      const [largest] = view.handlers;
      if (largest !== undefined && isNearQuota(view) && !context.json)
        context.out.note(
          `hint: ${largest.name} uses most; wasmcloud delete ${largest.name} --purge removes it for good`,
        );
    });
}
