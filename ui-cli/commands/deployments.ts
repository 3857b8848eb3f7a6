/** deployments, rollback */
import type { Command } from 'commander';
import { PlatformError } from '../../src/protocol/errors.ts';
import type { DeploymentView } from '../../src/protocol/nouns.ts';
import type { Context } from '../context.ts';
import { confirm } from '../prompt.ts';
import { formatAgo, formatBytes } from '../text/format.ts';
import { table } from '../text/table.ts';
import { visible } from '../text/visible.ts';
import { parseVersion } from './arguments.ts';

export function addDeploymentCommands(program: Command, context: Context): void {
  program
    .command('deployments')
    .description('list what was deployed, newest first')
    .argument('<name>', 'handler')
    .action(async (name: string) => {
      const deployments = await (await context.client()).deployments(name);
      if (context.json) context.out.json(deployments);
      else if (deployments.length > 0)
        for (const line of deploymentTable(deployments, Date.now())) context.out.line(line);
      else context.out.note('nothing deployed yet\nhint: git push wasmcloud main');
    });

  program
    .command('rollback')
    .description('serve an earlier deployment again')
    .argument('<name>', 'handler')
    .argument('<version>', 'deployment to serve, such as v3', parseVersion)
    .option('-y, --yes', 'do not ask')
    .action(async (name: string, version: number, options: { readonly yes?: boolean }) => {
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

export interface RollbackPreview {
  /** swift-otter: v5 -> v3 */
  readonly change: string;
  /** Number that is live now. */
  readonly from: number | null;
  readonly lines: readonly string[];
}

/** What a rollback would do. Throws where it makes no sense, naming what would. */
export function previewRollback(
  name: string,
  deployments: readonly DeploymentView[],
  version: number,
): RollbackPreview {
  const to = deployments.find((deployment) => deployment.number === version);
  const from = deployments.find((deployment) => deployment.state === 'live') ?? null;
  const possible = deployments.filter((deployment) => deployment.state === 'retired').map(({ number }) => `v${number}`);
  const hints = [
    possible.length > 0 ? `can be served again: ${possible.join(', ')}` : 'there is no earlier deployment to serve',
  ];
  if (to === undefined) throw new PlatformError('not_found', `${name} has no deployment v${version}`, { hints });
  if (to.state === 'live') throw new PlatformError('conflict', `v${version} is live already`, { hints });
  if (to.state !== 'retired') {
    throw new PlatformError('conflict', `v${version} never went live (${to.state}), so it cannot be served`, { hints });
  }
  const change = `${name}: ${from === null ? 'nothing' : `v${from.number}`} -> v${version}`;
  const describe = (deployment: DeploymentView) =>
    `  v${deployment.number}  ${deployment.commit.slice(0, 7)}  ${visible(deployment.modulePath)}  ${formatBytes(deployment.moduleBytes)}`;
  return {
    change,
    from: from?.number ?? null,
    lines: [change, ...(from === null ? [] : [`${describe(from)}  (live now)`]), describe(to)],
  };
}

export function deploymentTable(deployments: readonly DeploymentView[], nowMs: number): string[] {
  const rows = deployments.map((deployment) => [
    `v${deployment.number}`,
    deployment.state,
    deployment.commit.slice(0, 7),
    formatAgo(deployment.createdMs, nowMs),
    visible(deployment.pushedBy),
    formatBytes(deployment.moduleBytes),
    deployment.abis.join(' '),
    visible(deployment.failure ?? deployment.modulePath),
  ]);
  const size = { title: 'SIZE', align: 'right' } as const;
  const titles = ['VERSION', 'STATE', 'COMMIT', 'WHEN', 'BY'].map((title) => ({ title }));
  return table([...titles, size, { title: 'ABI' }, { title: 'MODULE' }], rows);
}
