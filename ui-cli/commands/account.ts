/** Commands signup, login, logout, whoami. */
import type { Command } from 'commander';
import { PlatformError } from '../../src/protocol/errors.ts';
import { Client, type Credentials } from '../client/client.ts';
import type { Session } from '../config.ts';
import type { Context } from '../context.ts';
import { forgetLogin, saveLogin } from '../login.ts';
import { ask, askSecret, readSecret } from '../prompt.ts';

interface PasswordOptions {
  readonly passwordStdin?: boolean;
}

interface LoginOptions extends PasswordOptions {
  readonly code?: string;
}

interface SignUpOptions extends PasswordOptions {
  readonly invite?: string;
}

export function addAccountCommands(program: Command, context: Context): void {
  program
    .command('signup')
    .description('create an account and log in')
    .argument('[user]', 'user name')
    .option('--invite <code>', 'invitation code; npm start prints the one for the first account')
    .option('--password-stdin', 'read the password from standard input')
    .action(async (user: string | undefined, options: SignUpOptions) => {
      const session = await context.session();
      const credentials = await askCredentials(context, user, { ...options, command: 'signup', repeat: true });
      const token = await signUp(context, new Client({ ...session, token: null }), credentials, options.invite ?? null);
      await rememberLogin(context, session, { user: credentials.name, token });
    });

  program
    .command('login')
    .description('log in and let git push without a password')
    .argument('[user]', 'user name')
    .option('--password-stdin', 'read the password from standard input')
    .option('--code <code>', 'of the second factor, where the account has one')
    .action(async (user: string | undefined, options: LoginOptions) => {
      const session = await context.session();
      const credentials = await askCredentials(context, user, { ...options, command: 'login', repeat: false });
      const token = await logIn(context, new Client({ ...session, token: null }), credentials, options.code);
      await rememberLogin(context, session, { user: credentials.name, token });
    });

  program
    .command('logout')
    .description('forget the token, here and at the server, and undo what login set up in git')
    .action(async () => {
      const { server } = await context.session();
      const loggedOut = await forgetLogin(context, server);
      context.result({ server, loggedOut }, [loggedOut ? `logged out of ${server}` : `not logged in at ${server}`]);
      if (context.environment.token !== null) context.out.note('warning: WASMCLOUD_TOKEN is still set');
    });

  program
    .command('whoami')
    .description('show who is logged in, and where')
    .action(async () => {
      const client = await context.client();
      const { user, admin, scope, handler } = await client.who();
      context.result({ user, server: client.target.server, admin, scope, handler }, [user]);
      const rights = [
        ...(admin ? ['administrator'] : []),
        ...(scope === 'full' ? [] : [`token of scope ${scope}`]),
        ...(handler === null ? [] : [`for ${handler} only`]),
      ];
      if (!context.json) context.out.note([`at ${client.target.server}`, ...rights].join(', '));
    });
}

interface AskOptions extends PasswordOptions {
  readonly command: string;
  /** Whether the password is typed twice, as for a new one. */
  readonly repeat: boolean;
}

async function askCredentials(context: Context, user: string | undefined, options: AskOptions): Promise<Credentials> {
  const usage = `wasmcloud ${options.command} NAME --password-stdin < password-file`;
  if (user === undefined) {
    if (options.passwordStdin) throw new PlatformError('bad_request', 'no user name given', { hints: [usage] });
    context.needTerminal('no user name given', usage);
  }
  const name = user ?? (await ask('User name: ')).trim();
  // Before the password: with it the answer would be that both are wrong.
  if (/[:/]/.test(name))
    throw new PlatformError('bad_request', `${name} is no user name`, {
      hints: [`a server is named so: WASMCLOUD_SERVER=${name} wasmcloud ${options.command} NAME`],
    });
  if (options.passwordStdin) return { name, password: await readSecret() };
  context.needTerminal('no password given', usage);
  const password = await askSecret('Password: ');
  if (options.repeat && (await askSecret('Password again: ')) !== password) {
    throw new PlatformError('bad_request', 'the two passwords differ; nothing was created');
  }
  return { name, password };
}

/** Logs in. Asks for a code of the second factor if the account has one and a person can be asked. */
async function logIn(
  context: Context,
  client: Client,
  credentials: Credentials,
  code: string | undefined,
): Promise<string> {
  try {
    return await client.logIn({ ...credentials, code });
  } catch (error) {
    const asks = error instanceof PlatformError && error.code === 'code_required' && code === undefined;
    if (!asks) throw error;
    context.needTerminal('no code of the second factor given', `wasmcloud login ${credentials.name} --code 123456`);
    return client.logIn({ ...credentials, code: (await ask('Code of your app: ')).trim() });
  }
}

/** Signs up. Asks for an invitation code if the server requires one and a person can be asked. */
async function signUp(
  context: Context,
  client: Client,
  credentials: Credentials,
  invite: string | null,
): Promise<string> {
  try {
    return await client.signUp({ ...credentials, invite });
  } catch (error) {
    const asks = error instanceof PlatformError && error.code === 'invite_required' && invite === null;
    if (!asks || !context.environment.interactive) throw error;
    const code = (await ask('Invitation code: ')).trim();
    return client.signUp({ ...credentials, invite: code });
  }
}

async function rememberLogin(
  context: Context,
  session: Session,
  account: { readonly user: string; readonly token: string },
): Promise<void> {
  await saveLogin(context, session.server, account);
  context.result({ user: account.user, server: session.server }, [`logged in as ${account.user} at ${session.server}`]);
  if (context.environment.token !== null) {
    context.out.note('warning: WASMCLOUD_TOKEN is set and wins over this login');
  }
}
