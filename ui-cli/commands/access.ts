/** Commands tokens, invites: manage who may log in, and with which Tokens. */
import { type Command, InvalidArgumentError } from 'commander';
import { PlatformError } from '../../src/protocol/errors.ts';
import { type TokenScope, tokenScopes } from '../../src/protocol/nouns.ts';
import type { Context } from '../context.ts';
import { inviteTable, tokenTable } from '../text/access.ts';
import { parseCount } from './arguments.ts';

interface TokenOptions {
  readonly scope?: TokenScope;
  readonly handler?: string;
  readonly days?: number;
}

interface InviteOptions {
  readonly uses?: number;
  readonly days?: number;
}

export function addAccessCommands(program: Command, context: Context): void {
  program
    .command('tokens')
    .description('list, create or revoke tokens, such as one for a CI job')
    .option('--scope <scope>', `with create: ${tokenScopes.join(', ')}; default full`, parseScope)
    .option('--handler <name>', 'with create: good for this handler only (scope read or deploy)')
    .option('--days <n>', 'with create: ends after so many days', parseCount(1, 3_650))
    .usage('[create LABEL | revoke ID]')
    .argument('[action]', 'create or revoke')
    .argument('[what]', 'a label for the new token, or the id of the one to revoke')
    .addHelpText('after', '\nA new token is printed once. Give it to a job as WASMCLOUD_TOKEN.')
    .action(async (action: string | undefined, what: string | undefined, options: TokenOptions) => {
      const client = await context.client();
      if (action === undefined) {
        const tokens = await client.accounts.tokens();
        return context.result(tokens, tokenTable(tokens, Date.now()));
      }
      const name = needed(action, what, ['create', 'revoke'], 'tokens');
      if (action === 'create') {
        const { token, view } = await client.accounts.createToken({
          label: name,
          scope: options.scope,
          handler: options.handler,
          expiresInDays: options.days,
        });
        context.result({ token, ...view }, [token]);
        if (!context.json) context.out.note('it is not shown again; use it as WASMCLOUD_TOKEN');
      } else {
        await client.accounts.revokeToken(name);
        context.result({ id: name, revoked: true }, [`revoked ${name}`]);
      }
    });

  program
    .command('invites')
    .description('list, create or take back invitation codes')
    .option('--uses <n>', 'with create: for so many people; default 1', parseCount(1, 1_000))
    .option('--days <n>', 'with create: ends after so many days', parseCount(1, 365))
    .usage('[create | delete ID]')
    .argument('[action]', 'create or delete')
    .argument('[id]', 'the invite to take back')
    .action(async (action: string | undefined, id: string | undefined, options: InviteOptions) => {
      const client = await context.client();
      if (action === undefined) {
        const invites = await client.accounts.invites();
        if (context.json || invites.length > 0) context.result(invites, inviteTable(invites, Date.now()));
        else context.out.note('no invites\nhint: wasmcloud invites create');
      } else if (action === 'create') {
        const { invite, view } = await client.accounts.createInvite({
          uses: options.uses,
          expiresInDays: options.days,
        });
        context.result({ invite, ...view }, [invite]);
        if (!context.json) {
          context.out.note(`for ${view.usesMax === 1 ? 'one person' : `${view.usesMax} people`}, not shown again:`);
          context.out.note(`  WASMCLOUD_SERVER=${client.target.server} wasmcloud signup --invite ${invite}`);
        }
      } else {
        const name = needed(action, id, ['create', 'delete'], 'invites');
        await client.accounts.deleteInvite(name);
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

function parseScope(text: string): TokenScope {
  const scope = tokenScopes.find((known) => known === text);
  if (scope === undefined) throw new InvalidArgumentError(`It must be ${tokenScopes.join(', ')}.`);
  return scope;
}
