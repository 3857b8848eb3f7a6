/** Commands team, transfer, transfers, users: who works on which handler, and administration of users. */
import type { Command } from 'commander';
import { PlatformError } from '../../src/protocol/errors.ts';
import { collaboratorRoles } from '../../src/protocol/nouns.ts';
import type { AccountChange } from '../client/accounts.ts';
import type { Context } from '../context.ts';
import { accountTable, teamTable, transferTable } from '../text/access.ts';
import { formatDate } from '../text/format.ts';
import { handlerArgument, needYes, parseBytes, parseCount } from './arguments.ts';

export function addTeamCommands(program: Command, context: Context): void {
  program
    .command('team')
    .description('list who works on a handler; add a deployer or viewer, remove one, or leave')
    .usage('<name> [add USER deployer|viewer | remove USER | leave]')
    .argument('<name>', handlerArgument)
    .argument('[action]', 'add, remove or leave')
    .argument('[user]', 'user name')
    .argument('[role]', collaboratorRoles.join(' or '))
    .addHelpText('after', '\nA deployer pushes, rolls back and sets variables; a viewer looks at everything.')
    .action(async (name: string, action?: string, user?: string, role?: string) => {
      const client = await context.client();
      if (action === undefined) {
        const [{ owner }, collaborators] = await Promise.all([client.handler(name), client.teams.collaborators(name)]);
        return context.result({ owner, collaborators }, teamTable(owner, collaborators, Date.now()));
      }
      if (action === 'leave') {
        await client.teams.leave(name);
        return context.result({ handler: name, left: true }, [`you do not work on ${name} any more`]);
      }
      if (action !== 'add' && action !== 'remove')
        throw new PlatformError('bad_request', `team knows add, remove and leave, not ${JSON.stringify(action)}`);
      if (user === undefined) throw new PlatformError('bad_request', `who? wasmcloud team ${name} ${action} USER`);
      if (action === 'remove') {
        await client.teams.remove(name, user);
        return context.result({ handler: name, user, removed: true }, [`${user} does not work on ${name} any more`]);
      }
      const known = collaboratorRoles.find((one) => one === role);
      if (known === undefined)
        throw new PlatformError('bad_request', `as what? wasmcloud team ${name} add ${user} deployer, or viewer`);
      const collaborator = await client.teams.setRole(name, { user, role: known });
      context.result(collaborator, [`${user} is a ${known} of ${name}`]);
    });

  program
    .command('transfer')
    .description('offer a handler to another owner, who accepts it or not')
    .argument('<name>', handlerArgument)
    .argument('[user]', 'the owner to be')
    .option('--withdraw', 'take the offer back')
    .action(async (name: string, user: string | undefined, options: { readonly withdraw?: boolean }) => {
      const client = await context.client();
      if (options.withdraw === true) {
        await client.teams.withdraw(name);
        return context.result({ handler: name, withdrawn: true }, [`${name} is not offered any more`]);
      }
      if (user === undefined) throw new PlatformError('bad_request', `to whom? wasmcloud transfer ${name} USER`);
      const offer = await client.teams.offer(name, user);
      context.result(offer, [`${name} is offered to ${user} until ${formatDate(offer.expiresMs)}`]);
      if (context.json) return;
      context.out.note(`hint: ${user} accepts with: wasmcloud transfers accept ${name}`);
      context.out.note('its variables, queues and logs go with it; then you have no role on it');
    });

  program
    .command('transfers')
    .description('list handlers that are offered to you; accept or decline one')
    .usage('[accept NAME | decline NAME]')
    .argument('[action]', 'accept or decline')
    .argument('[name]', 'the handler')
    .action(async (action: string | undefined, name: string | undefined) => {
      const client = await context.client();
      if (action === undefined) {
        const transfers = await client.teams.offers();
        if (context.json || transfers.length > 0) context.result(transfers, transferTable(transfers));
        else context.out.note('nobody offers you a handler');
        return;
      }
      if (action !== 'accept' && action !== 'decline')
        throw new PlatformError('bad_request', `transfers knows accept and decline, not ${JSON.stringify(action)}`);
      if (name === undefined) throw new PlatformError('bad_request', `what? wasmcloud transfers ${action} NAME`);
      if (action === 'decline') {
        await client.teams.decline(name);
        return context.result({ handler: name, declined: true }, [`declined ${name}`]);
      }
      const handler = await client.teams.accept(name);
      context.result(handler, [`${name} is yours: ${handler.url}`]);
    });
}

interface UserOptions {
  readonly suspend?: boolean;
  readonly unsuspend?: boolean;
  readonly admin?: boolean;
  readonly handlers?: number | 'default';
  readonly quota?: number | 'default';
  readonly calls?: number | 'default';
  readonly removeTotp?: boolean;
  readonly delete?: boolean;
  readonly yes?: boolean;
  readonly search?: string;
}

export function addUserCommand(program: Command, context: Context): void {
  const orDefault =
    (parse: (text: string) => number) =>
    (text: string): number | 'default' =>
      text === 'default' ? text : parse(text);
  program
    .command('users')
    .description('for administrators: list users, suspend them, set their limits')
    .argument('[user]', 'user name')
    .option('--search <text>', 'names that contain it')
    .option('--suspend', 'their functions answer 503, and they cannot log in')
    .option('--unsuspend', 'end that')
    .option('--admin', 'make an administrator')
    .option('--no-admin', 'an administrator no more')
    .option('--handlers <n>', 'handlers they may have, or default', orDefault(parseCount(1, 1_000_000)))
    .option('--quota <size>', 'what they may store, such as 500MiB or 2GiB, or default', orDefault(parseBytes))
    .option('--calls <n>', 'calls of their functions in flight, or default', orDefault(parseCount(1, 1_000_000)))
    .option('--remove-totp', 'take a lost second factor away')
    .option('--delete', 'delete for good a user who owns neither functions nor queues')
    .option('-y, --yes', 'with --delete: really')
    .action(async (name: string | undefined, options: UserOptions) => {
      const client = await context.client();
      const change = changeOf(options);
      if (name === undefined) {
        if (Object.keys(change).length > 0 || options.delete === true)
          throw new PlatformError('bad_request', 'whom? wasmcloud users NAME with these options');
        const users = await client.accounts.users(options.search);
        return context.result(users, accountTable(users, Date.now()));
      }
      if (options.delete === true) {
        if (Object.keys(change).length > 0)
          throw new PlatformError('bad_request', '--delete excludes the other changes');
        needYes(options.yes, `deleting ${name} is for good`, `wasmcloud users ${name} --delete --yes`);
        await client.accounts.deleteUser(name);
        return context.result({ user: name, deleted: true }, [`deleted the user ${name}`]);
      }
      const user =
        Object.keys(change).length === 0
          ? await client.accounts.user(name)
          : await client.accounts.changeUser(name, change);
      context.result(user, accountTable([user], Date.now()));
    });
}

/** Returns null for `default`: commander ignores a null that a parser returns. */
function orNull(value: number | 'default'): number | null {
  return value === 'default' ? null : value;
}

function changeOf(options: UserOptions): AccountChange {
  const { suspend, unsuspend, admin, handlers, quota, calls, removeTotp } = options;
  if (suspend === true && unsuspend === true)
    throw new PlatformError('bad_request', '--suspend and --unsuspend exclude each other');
  return {
    ...(suspend === true ? { suspended: true } : {}),
    ...(unsuspend === true ? { suspended: false } : {}),
    ...(admin === undefined ? {} : { admin }),
    ...(handlers === undefined ? {} : { handlersMax: orNull(handlers) }),
    ...(quota === undefined ? {} : { quotaBytes: orNull(quota) }),
    ...(calls === undefined ? {} : { callsMax: orNull(calls) }),
    ...(removeTotp === true ? { secondFactor: false as const } : {}),
  };
}
