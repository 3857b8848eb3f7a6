/** Command nodes: lists the nodes of a cluster; adds, drains and removes one. */
import type { Command } from 'commander';
import { PlatformError } from '../../src/protocol/errors.ts';
import type { Context } from '../context.ts';
import { nodeTable } from '../text/nodes.ts';

const actions = ['add', 'drain', 'remove'] as const;

export function addNodesCommand(program: Command, context: Context): void {
  program
    .command('nodes')
    .description('list the nodes of a cluster; add, drain or remove one (administrators)')
    .usage('[add NAME | drain NAME | remove NAME]')
    .argument('[action]', 'add, drain or remove')
    .argument('[name]', 'name of the node')
    .addHelpText(
      'after',
      '\nadd prints the command that starts the node. drain lets it finish its calls and end; it may be started again.\nremove makes its token invalid for good.',
    )
    .action(async (given: string | undefined, name: string | undefined) => {
      const client = await context.client();
      if (given === undefined) {
        const nodes = await client.nodes.list();
        if (context.json) return context.out.json({ nodes });
        if (nodes.length === 0) return context.out.note('no nodes; add one: wasmcloud nodes add NAME');
        return context.result({ nodes }, nodeTable(nodes, Date.now()));
      }
      const action = actions.find((one) => one === given);
      if (action === undefined)
        throw new PlatformError('bad_request', `nodes knows add, drain and remove, not ${JSON.stringify(given)}`);
      if (name === undefined) throw new PlatformError('bad_request', `which node? wasmcloud nodes ${action} NAME`);
      if (action === 'add') {
        const added = await client.nodes.add(name);
        context.result(added, [`TRISIEL_JOIN='${added.join}' npx trisiel node`]);
        if (!context.json) context.out.note('run this on the machine of the node; the token is not shown again');
        return;
      }
      await client.nodes[action](name);
      const done = action === 'drain' ? `${name} finishes its calls and ends` : `${name} is removed`;
      context.result({ node: name, [action === 'drain' ? 'draining' : 'removed']: true }, [done]);
    });
}
