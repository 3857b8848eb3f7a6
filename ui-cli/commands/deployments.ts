/** Commands deployments, rollback. */
import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { confirm } from '../prompt.ts';
import { deploymentTable, previewRollback, previewTable } from '../text/deployment.ts';
import { visible } from '../text/visible.ts';
import { handlerArgument, parseVersion } from './arguments.ts';

interface PreviewOptions {
  readonly remove?: string;
  readonly off?: boolean;
  readonly on?: boolean;
}

interface RollbackOptions {
  readonly yes?: boolean;
  readonly branch?: string;
}

export function addDeploymentCommands(program: Command, context: Context): void {
  program
    .command('previews')
    .description('list previews of other branches, remove one, or turn them off and on')
    .argument('[name]', handlerArgument)
    .option('--remove <branch>', 'remove the preview of a branch with its data; the branch in git stays')
    .option('--off', 'let pushes of other branches make no previews')
    .option('--on', 'let them make previews again')
    .action(async (given: string | undefined, options: PreviewOptions) => {
      const name = await context.handlerName(given);
      const client = await context.client();
      if (options.remove !== undefined) {
        await client.releases.deletePreview(name, options.remove);
        context.result({ name, removed: options.remove }, [`removed the preview of ${visible(options.remove)}`]);
      } else if (options.on === true || options.off === true) {
        const previews = options.on === true;
        await client.changeSettings(name, { previews });
        context.result({ name, previews }, [`pushes of other branches make ${previews ? '' : 'no '}previews`]);
      } else {
        const previews = await client.releases.previews(name);
        if (context.json) context.out.json(previews);
        else if (previews.length > 0) for (const line of previewTable(previews, Date.now())) context.out.line(line);
        else context.out.note('no previews\nhint: git push wasmcloud BRANCH makes one');
      }
    });

  program
    .command('deployments')
    .description('list what was deployed, newest first')
    .argument('[name]', handlerArgument)
    .action(async (given: string | undefined) => {
      const name = await context.handlerName(given);
      const deployments = await (await context.client()).releases.deployments(name);
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
    .option('-b, --branch <branch>', "a version of this branch's preview")
    .action(async (first: string, second: string | undefined, options: RollbackOptions) => {
      // In a repository the handler may be left out: `rollback v3`.
      const version = parseVersion(second ?? first);
      const name = await context.handlerName(second === undefined ? undefined : first);
      const client = await context.client();
      const branch = options.branch ?? null;
      const { version: live } = await client.handler(name);
      // Neither version has to be among the newest ones, which hints name.
      const pages = await Promise.all([
        client.releases.deployments(name, { branch }),
        ...[version, live ?? version].map(async (number) => {
          const one = await client.releases.deployment(name, number);
          return one === null ? [] : [one];
        }),
      ]);
      const deployments = [...new Map(pages.flat().map((deployment) => [deployment.number, deployment])).values()];
      const preview = previewRollback(name, deployments, version, { branch, live });
      if (!options.yes) {
        for (const line of preview.lines) context.out.note(line);
        context.needTerminal(`${preview.change} needs a yes`, `to do it: wasmcloud rollback ${name} v${version} --yes`);
        await confirm('Serve it?');
      }
      await client.releases.rollback(name, version, { branch });
      context.result({ name, from: preview.from, to: version }, [`${preview.change}: live`]);
      if (preview.from !== null && !context.json) {
        const of = branch === null ? '' : ` --branch ${branch}`;
        context.out.note(`hint: undo with wasmcloud rollback ${name} v${preview.from}${of}`);
      }
    });
}
