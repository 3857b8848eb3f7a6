/** tokens, invites: who and what else may log in */
import type { Command } from 'commander';
import { PlatformError } from '../../src/protocol/errors.ts';
import type { InviteView, TokenView } from '../client/views.ts';
import type { Context } from '../context.ts';
import { formatAgo } from '../text/format.ts';
import { table } from '../text/table.ts';
import { visible } from '../text/visible.ts';

export function addAccessCommands(program: Command, context: Context): void {
  program
    .command('tokens')
    .description('list, create or revoke tokens, such as one for a CI job')
    .usage('[create LABEL | revoke ID]')
    .argument('[action]', 'create or revoke')
    .argument('[what]', 'a label for the new token, or the id of the one to revoke')
    .addHelpText('after', '\nA new token is printed once. Give it to a job as WASMCLOUD_TOKEN.')
    .action(async (action: string | undefined, what: string | undefined) => {
      const client = await context.client();
      if (action === undefined) {
        const tokens = await client.tokens();
        return context.result(tokens, tokenTable(tokens, Date.now()));
      }
      const name = needed(action, what, ['create', 'revoke'], 'tokens');
      if (action === 'create') {
        const { token, view } = await client.createToken(name);
        context.result({ token, ...view }, [token]);
        if (!context.json) context.out.note('it is not shown again; use it as WASMCLOUD_TOKEN');
      } else {
        await client.revokeToken(name);
        context.result({ id: name, revoked: true }, [`revoked ${name}`]);
      }
    });

  program
    .command('invites')
    .description('list, create or take back invitation codes')
    .usage('[create | delete ID]')
    .argument('[action]', 'create or delete')
    .argument('[id]', 'the invite to take back')
    .action(async (action: string | undefined, id: string | undefined) => {
      const client = await context.client();
      if (action === undefined) {
        const invites = await client.invites();
        if (context.json || invites.length > 0) context.result(invites, inviteTable(invites, Date.now()));
        else context.out.note('no invites\nhint: wasmcloud invites create');
      } else if (action === 'create') {
        const { invite, view } = await client.createInvite();
        context.result({ invite, ...view }, [invite]);
        if (!context.json) {
          context.out.note('for one person, not shown again:');
          context.out.note(`  WASMCLOUD_SERVER=${client.target.server} wasmcloud signup --invite ${invite}`);
        }
      } else {
        const name = needed(action, id, ['create', 'delete'], 'invites');
        await client.deleteInvite(name);
        context.result({ id: name, deleted: true }, [`took ${name} back`]);
      }
    });
}

function needed(action: string, what: string | undefined, known: readonly string[], command: string): string {
  if (!known.includes(action)) {
    throw new PlatformError('bad_request', `${command} knows ${known.join(' and ')}, not ${JSON.stringify(action)}`);
  }
  if (what === undefined) throw new PlatformError('bad_request', `what to ${action}? wasmcloud help ${command}`);
  return what;
}

function tokenTable(tokens: readonly TokenView[], nowMs: number): string[] {
  return table(
    [{ title: 'ID' }, { title: 'LABEL' }, { title: 'CREATED' }, { title: 'LAST USED' }],
    tokens.map((token) => [
      token.id,
      visible(token.label),
      formatAgo(token.createdMs, nowMs),
      token.lastUsedMs === null ? 'never' : formatAgo(token.lastUsedMs, nowMs),
    ]),
  );
}

function inviteTable(invites: readonly InviteView[], nowMs: number): string[] {
  return table(
    [{ title: 'ID' }, { title: 'CREATED' }, { title: 'USED BY' }],
    invites.map((invite) => [
      invite.id,
      formatAgo(invite.createdMs, nowMs),
      invite.usedBy === null ? '-' : visible(invite.usedBy),
    ]),
  );
}
