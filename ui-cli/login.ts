/** Stores and removes the traces of a login on this machine; for the commands and the login screen. */
import { PlatformError } from '../src/protocol/errors.ts';
import { Client } from './client/client.ts';
import { withAccount, withoutAccount, writeConfig } from './config.ts';
import type { Context } from './context.ts';
import { removeCredentials, setUpCredentials } from './git-setup.ts';

/** Stores the Token and configures git. Without git the login is still valid. */
export async function saveLogin(
  context: Context,
  server: string,
  account: { readonly user: string; readonly token: string },
): Promise<void> {
  const { configFile, launcher } = context.environment;
  await writeConfig(configFile, withAccount(await context.config(), server, account));
  try {
    await setUpCredentials(server, launcher, { folder: null });
  } catch (error) {
    if (!(error instanceof PlatformError)) throw error;
    context.out.note(`warning: git was not set up, a push will ask for a password: ${error.message}`);
  }
}

/** Revokes the Token, removes it here, and undoes the configuration of git. Returns false if there was none. */
export async function forgetLogin(context: Context, server: string): Promise<boolean> {
  const config = await context.config();
  const account = config.accounts[server];
  await removeCredentials(server, { folder: null });
  if (account === undefined) return false;
  await writeConfig(context.environment.configFile, withoutAccount(config, server));
  try {
    await new Client({ server, token: account.token }).logOut();
  } catch (error) {
    if (!(error instanceof PlatformError)) throw error;
    // `unauthorized`: the server has already removed it.
    if (error.code !== 'unauthorized') {
      context.out.note(`warning: the token may still be valid at the server: ${error.message}`);
    }
  }
  return true;
}
