/** deployments, rollback */
import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { confirm } from '../prompt.ts';
import { deploymentTable, previewRollback } from '../text/deployment.ts';
import { handlerArgument, parseVersion } from './arguments.ts';

export function addDeploymentCommands(program: Command, context: Context): void {
  program
    .command('deployments')
    .description('list what was deployed, newest first')
    .argument('[name]', handlerArgument)
    .action(async (given: string | undefined) => {
      const name = await context.handlerName(given);
      const deployments = await (await context.client()).deployments(name);
      if (context.json) context.out.json(deployments);
      else if (deployments.length > 0)
        for (const line of deploymentTable(deployments, Date.now())) context.out.line(line);
      else context.out.note('nothing deployed yet\nhint: git push wasmcloud main');
    });

  program
    .command('rollback')
    .description('serve an earlier deployment again')
    .usage('[options] [name] <version>')
    .argument('<name>', handlerArgument)
    .argument('[version]', 'deployment to serve, such as v3')
    .option('-y, --yes', 'do not ask')
    .action(async (first: string, second: string | undefined, options: { readonly yes?: boolean }) => {
      // Inside a repository: `rollback v3`.
      const version = parseVersion(second ?? first);
      const name = await context.handlerName(second === undefined ? undefined : first);
      const client = await context.client();
      const deployments = await client.deployments(name);
      const preview = previewRollback(name, deployments, version);
      if (!options.yes) {
        context.needTerminal(`${preview.change} needs a yes`, `to do it: wasmcloud rollback ${name} v${version} --yes`);
        for (const line of preview.lines) context.out.note(line);
        await confirm('Serve it?');
      }
      await client.rollback(name, version);
      context.result({ name, from: preview.from, to: version }, [`${preview.change}: live`]);
      if (preview.from !== null && !context.json) {
        context.out.note(`hint: undo with wasmcloud rollback ${name} v${preview.from}`);
      }
    });
}
