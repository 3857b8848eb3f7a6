/** Changes git's configuration for login, logout and create. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { PlatformError } from '../src/protocol/errors.ts';
import { isLoopback } from './config.ts';

const run = promisify(execFile);

/** Milliseconds: git answers at once unless a lock on a network folder hangs. */
const gitTimeoutMs = 10_000;

export interface GitScope {
  /** Folder of the repository whose configuration is changed; null: the user's (`--global`). */
  readonly folder: string | null;
}

/**
 * Configures git to ask `launcher` for the password of `server`. Idempotent. The empty helper before it switches off
 * system helpers, so that no keychain stores the Token or asks for it.
 */
export async function setUpCredentials(server: string, launcher: string, scope: GitScope): Promise<void> {
  for (const url of credentialUrls(server)) {
    const key = `credential.${url}.helper`;
    await config(scope, ['--replace-all', key, '']);
    await config(scope, ['--add', key, credentialHelper(launcher)]);
  }
}

/** Removes this tool from the credential helpers of `server`; does nothing where it is not set. */
export async function removeCredentials(server: string, scope: GitScope): Promise<void> {
  for (const url of credentialUrls(server)) {
    // Exit status 5: the key was not set.
    await config(scope, ['--unset-all', `credential.${url}.helper`], [5]);
  }
}

/** Returns whether git would ask this tool for `server`, wherever that is configured. */
export async function hasCredentials(server: string, folder: string): Promise<boolean> {
  const { stdout } = await config({ folder }, ['--get-urlmatch', 'credential.helper', server], [1], 'anywhere');
  return stdout.includes('git-credential');
}

/** Returns the value of credential.URL.helper. git passes it to sh, which interprets \, ", $ and ` in double quotes. */
export function credentialHelper(launcher: string): string {
  return `!"${launcher.replace(/[\\"$`]/g, '\\$&')}" git-credential`;
}

/** Returns `server`, and for a server on this machine also its other name. */
export function credentialUrls(server: string): string[] {
  const url = new URL(server);
  if (!isLoopback(url.hostname)) return [server];
  const other = new URL(server);
  other.hostname = url.hostname === 'localhost' ? '127.0.0.1' : 'localhost';
  return [server, other.origin + other.pathname.replace(/\/+$/, '')];
}

async function config(
  scope: GitScope,
  parameters: readonly string[],
  acceptedStatus: readonly number[] = [],
  where: 'scope' | 'anywhere' = 'scope',
): Promise<{ stdout: string }> {
  const level = where === 'anywhere' ? [] : [scope.folder === null ? '--global' : '--local'];
  try {
    return await run('git', ['config', ...level, ...parameters], {
      timeout: gitTimeoutMs,
      ...(scope.folder === null ? {} : { cwd: scope.folder }),
    });
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const code = 'code' in error ? error.code : undefined;
    if (typeof code === 'number' && acceptedStatus.includes(code)) return { stdout: '' };
    if (code === 'ENOENT') {
      throw new PlatformError('unavailable', 'git is not installed, or not in PATH', { cause: error });
    }
    const stderr = 'stderr' in error && typeof error.stderr === 'string' ? error.stderr.trim() : '';
    throw new PlatformError('internal', `git config failed: ${stderr || error.message}`, { cause: error });
  }
}
