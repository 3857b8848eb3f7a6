/** What login, logout and create change in git's configuration. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { PlatformError } from '../src/protocol/errors.ts';
import { isLoopback } from './config.ts';

const run = promisify(execFile);

/** git answers at once or something is very wrong (a lock on a network folder). */
const gitTimeoutMs = 10_000;

export interface GitScope {
  /** A repository's folder for its own configuration, null for the user's (`--global`). */
  readonly folder: string | null;
}

/**
 * Makes git ask `launcher` for the password of `server`. Idempotent. The empty helper in front
 * switches off those of the system, so no keychain stores the Token or asks for one.
 */
export async function setUpCredentials(server: string, launcher: string, scope: GitScope): Promise<void> {
  for (const url of credentialUrls(server)) {
    const key = `credential.${url}.helper`;
    await config(scope, ['--replace-all', key, '']);
    await config(scope, ['--add', key, credentialHelper(launcher)]);
  }
}

export async function removeCredentials(server: string, scope: GitScope): Promise<void> {
  for (const url of credentialUrls(server)) {
    // Exit status 5: there was none.
    await config(scope, ['--unset-all', `credential.${url}.helper`], [5]);
  }
}

/** Whether git would ask us for `server`, wherever that is configured. */
export async function hasCredentials(server: string, folder: string): Promise<boolean> {
  const { stdout } = await config({ folder }, ['--get-urlmatch', 'credential.helper', server], [1], 'anywhere');
  return stdout.includes('git-credential');
}

/** The value of credential.URL.helper. git hands it to sh, which reads \, ", $ and ` in double quotes. */
export function credentialHelper(launcher: string): string {
  return `!"${launcher.replace(/[\\"$`]/g, '\\$&')}" git-credential`;
}

/** `server`, and for one on this machine also its other name. */
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
