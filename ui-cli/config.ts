/**
 * Stores who is logged in at which server: `wasmcloud/config.json` in the XDG config folder, mode 0600. A Token belongs
 * to one server and is never sent to another.
 */
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import process from 'node:process';
import { messageOf, PlatformError } from '../src/protocol/errors.ts';
import type { Environment } from './environment.ts';

/** Address of control that `npm start` prints. git matches credentials by exactly this host. */
export const defaultServer = 'http://127.0.0.1:3002';

export interface Account {
  readonly user: string;
  readonly token: string;
}

export interface Config {
  /** Base URL of the server that is used when WASMCLOUD_SERVER is not set. */
  readonly server: string | null;
  /** Accounts by base URL of their server. */
  readonly accounts: Readonly<Record<string, Account>>;
}

/** Server and user of a command. `token` null: not logged in there. */
export interface Session {
  readonly server: string;
  readonly token: string | null;
  /** Name of the user, known from the config only; for a Token from the environment the server is asked. */
  readonly user: string | null;
  readonly tokenFrom: 'environment' | 'config' | null;
}

const emptyConfig: Config = { server: null, accounts: {} };

/**
 * Reads the config from `file`; a missing file is an empty config. Throws `internal` when it cannot be read, and as
 * parseConfig does.
 */
export async function readConfig(file: string): Promise<Config> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (isMissing(error)) return emptyConfig;
    throw new PlatformError('internal', `cannot read ${file}: ${messageOf(error)}`, { cause: error });
  }
  return parseConfig(text, file);
}

/**
 * Parses the config. Throws `bad_request` for any other content of `file`, so that it is never overwritten silently.
 */
export function parseConfig(text: string, file: string): Config {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw damaged(file, messageOf(error));
  }
  if (!isRecord(value)) throw damaged(file, 'it holds no object');
  const server = value.server ?? null;
  if (server !== null && typeof server !== 'string') throw damaged(file, '"server" is no text');
  const accounts: Record<string, Account> = {};
  if (value.accounts !== undefined && !isRecord(value.accounts)) throw damaged(file, '"accounts" is no object');
  for (const [url, account] of Object.entries(value.accounts ?? {})) {
    if (!isRecord(account) || typeof account.user !== 'string' || typeof account.token !== 'string') {
      throw damaged(file, `the account for ${url} lacks "user" or "token"`);
    }
    accounts[url] = { user: account.user, token: account.token };
  }
  return { server, accounts };
}

/**
 * Writes a temporary file and renames it, so that a reader sees either the old or the new file, never half of one.
 * Throws `internal` if that fails.
 */
export async function writeConfig(file: string, config: Config): Promise<void> {
  // Not node:crypto: the credential helper loads this file, and loading crypto would take half its time.
  const temporary = `${file}.${process.pid}-${process.hrtime.bigint()}`;
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    await writeFile(temporary, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600, flag: 'wx' });
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw new PlatformError('internal', `cannot write ${file}: ${messageOf(error)}`, {
      hints: ['check the permissions of the folder, or set XDG_CONFIG_HOME to one that is yours'],
      cause: error,
    });
  }
}

export function withAccount(config: Config, server: string, account: Account): Config {
  return { server, accounts: { ...config.accounts, [server]: account } };
}

export function withoutAccount(config: Config, server: string): Config {
  const { [server]: _gone, ...accounts } = config.accounts;
  return { ...config, accounts };
}

/**
 * Returns the session of the server that `flag` (--server), WASMCLOUD_SERVER, the config or the default names, in this
 * order.
 */
export function resolveSession(environment: Environment, config: Config, flag: string | null = null): Session {
  const server = normalizeServer(flag ?? environment.server ?? config.server ?? defaultServer);
  if (environment.token !== null) return { server, token: environment.token, user: null, tokenFrom: 'environment' };
  const account = config.accounts[server];
  if (account === undefined) return { server, token: null, user: null, tokenFrom: null };
  return { server, token: account.token, user: account.user, tokenFrom: 'config' };
}

/** Returns a base URL without a trailing slash. `localhost:3002` is read as http. Throws `bad_request`. */
export function normalizeServer(text: string): string {
  const trimmed = text.trim();
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(trimmed) ? trimmed : `http://${trimmed}`);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:') || url.hostname === '') {
    throw new PlatformError('bad_request', `${JSON.stringify(text)} is not the address of a server`, {
      hints: [`an address looks like ${defaultServer}`],
    });
  }
  if (url.username !== '' || url.password !== '') {
    throw new PlatformError('bad_request', "a server's address holds no user name or password", {
      hints: ['log in with wasmcloud login; the token is kept in the config file'],
    });
  }
  return url.origin + url.pathname.replace(/\/+$/, '');
}

/** Returns whether the name is one of the two by which a server on this machine is known. */
export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '127.0.0.1';
}

function damaged(file: string, why: string): PlatformError {
  return new PlatformError('bad_request', `${file} is damaged: ${why}`, {
    hints: ['remove the file and log in again: wasmcloud login'],
  });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
