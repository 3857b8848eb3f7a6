/** Command account: password and second factor. */
import type { Command } from 'commander';
import { PlatformError } from '../../src/protocol/errors.ts';
import type { Client } from '../client/client.ts';
import type { Context } from '../context.ts';
import { ask, askSecret, readSecret } from '../prompt.ts';

interface PasswordOptions {
  readonly passwordStdin?: boolean;
  readonly endSessions?: boolean;
  readonly code?: string;
}

interface TotpOptions {
  readonly remove?: boolean;
  readonly code?: string;
}

export function addSecurityCommand(program: Command, context: Context): void {
  const account = program.command('account').description('change the password, or ask for a code at log-ins');
  account
    .command('password')
    .description('change the password')
    .option('--end-sessions', 'revoke every other token, those of CI jobs too')
    .option('--password-stdin', 'read the current and the next password from standard input, a line each')
    .option('--code <code>', 'of the second factor, where the account has one')
    .action(async (options: PasswordOptions) => {
      const client = await context.client();
      const { current, next } = await passwords(context, options);
      const asked = { current, next, endSessions: options.endSessions === true };
      await withCode(context, options.code, (code) => client.changePassword({ ...asked, code }));
      context.result({ changed: true }, ['the password is changed']);
      if (options.endSessions === true && !context.json) context.out.note('all other sessions and tokens are ended');
    });
  account
    .command('totp')
    .description('ask for a code of an app at every log-in (RFC 6238)')
    .option('--remove', 'ask for none any more')
    .option('--code <code>', 'of the app, or a recovery code')
    .action(async (options: TotpOptions) => {
      const client = await context.client();
      if (options.remove === true) return remove(context, client, options.code);
      if (options.code !== undefined) return confirm(context, client, options.code);
      const { secret, uri } = await client.startSecondFactor();
      context.result({ secret, uri }, [`secret  ${secret}`, `uri     ${uri}`]);
      if (context.json) return;
      context.out.note('put the secret, or the uri as a QR code, into your app');
      if (!context.environment.interactive)
        return context.out.note('hint: then confirm: wasmcloud account totp --code 123456');
      await confirm(context, client, (await ask('Code of the app: ')).trim());
    });
}

async function confirm(context: Context, client: Client, code: string): Promise<void> {
  const recoveryCodes = await client.confirmSecondFactor(code);
  context.result({ recoveryCodes }, recoveryCodes);
  if (context.json) return;
  context.out.note('log-ins ask for a code from now on, and git takes tokens only');
  context.out.note('keep the codes above: each stands for one code, once; they are not shown again');
}

async function remove(context: Context, client: Client, given: string | undefined): Promise<void> {
  if (given === undefined) context.needTerminal('no code given', 'wasmcloud account totp --remove --code 123456');
  await client.removeSecondFactor(given ?? (await ask('Code of your app, or a recovery code: ')).trim());
  context.result({ removed: true }, ['log-ins ask for no code any more']);
}

async function passwords(
  context: Context,
  options: PasswordOptions,
): Promise<{ readonly current: string; readonly next: string }> {
  if (options.passwordStdin === true) {
    const [current = '', next = '', ...more] = (await readSecret()).split(/\r?\n/);
    if (next === '' || more.length > 0)
      throw new PlatformError('bad_request', 'standard input must have two lines: the current password and the next');
    return { current, next };
  }
  context.needTerminal('no passwords given', 'wasmcloud account password --password-stdin < file-with-two-lines');
  const current = await askSecret('Current password: ');
  const next = await askSecret('Next password: ');
  if ((await askSecret('Next password again: ')) !== next)
    throw new PlatformError('bad_request', 'the two passwords differ; nothing was changed');
  return { current, next };
}

/** Runs a call; asks for a code of the second factor if the server requires one and a person can be asked. */
async function withCode(
  context: Context,
  given: string | undefined,
  call: (code: string | undefined) => Promise<void>,
): Promise<void> {
  try {
    await call(given);
  } catch (error) {
    if (!(error instanceof PlatformError) || error.code !== 'code_required') throw error;
    context.needTerminal('no code of the second factor given', 'add --code 123456');
    await call((await ask('Code of your app: ')).trim());
  }
}
