/** Command inspect: describes a file, and says whether a push would accept it. No server is asked. */
import type { Command } from 'commander';
import { PlatformError } from '../../src/protocol/errors.ts';
import type { Context } from '../context.ts';
import { exitCodes } from '../output.ts';

export function addInspectCommand(program: Command, context: Context): void {
  program
    .command('inspect')
    .description('say what a .wasm, .wat or .h file is, and what a push would say of it')
    .argument('<file>')
    .action(async (file: string) => {
      // Imported here because it loads the rewriter.
      const { inspectFile, inspectionLines } = await import('../run/inspect.ts');
      const found = await inspectFile(file);
      const { refusal } = found;
      context.result(found, inspectionLines(found));
      if (refusal === null) return;
      if (context.json) {
        context.exitStatus = exitCodes.error;
        return;
      }
      const { message, details, hints } = refusal;
      throw new PlatformError(refusal.code, message, { details, hints });
    });
}
