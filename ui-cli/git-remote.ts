/** Adds a git remote for a new handler to the repository in the current folder. */
import { PlatformError } from '../src/protocol/errors.ts';
import { hasCredentials, setUpCredentials } from './git-setup.ts';
import { visible } from './text/visible.ts';

export interface AddRemoteOptions {
  readonly folder: string;
  /** Name of the remote. */
  readonly remote: string;
  readonly url: string;
  readonly server: string;
  readonly launcher: string;
}

export type RemoteOutcome =
  | { readonly kind: 'added' | 'present'; readonly remote: string; readonly branch: string; readonly commits: boolean }
  /** The name belongs to another remote, which is left unchanged. */
  | { readonly kind: 'other'; readonly remote: string; readonly url: string; readonly branch: string }
  | { readonly kind: 'no-repository'; readonly remote: string }
  /** git failed; the handler has been created. */
  | { readonly kind: 'failed'; readonly remote: string; readonly why: string };

/** Returns the URL of a handler's repository, without a user name: the credential helper answers for the host. */
export function gitUrl(server: string, handler: string): string {
  return `${server}/${handler}.git`;
}

/**
 * Adds a remote for a handler to the repository in `folder`, and git's credential helper for the server. Throws
 * `bad_request` for a name that git does not allow; the outcome tells all other failures.
 */
export async function addRemote(options: AddRemoteOptions): Promise<RemoteOutcome> {
  const { remote } = options;
  if (!/^[A-Za-z0-9][A-Za-z0-9._/-]*$/.test(remote)) {
    throw new PlatformError('bad_request', `${JSON.stringify(remote)} cannot name a git remote`);
  }
  try {
    return await addToRepository(options);
  } catch (error) {
    const why = error instanceof Error ? (error.message.trim().split('\n', 1)[0] ?? '') : String(error);
    return { kind: 'failed', remote, why };
  }
}

async function addToRepository({ folder, remote, url, server, launcher }: AddRemoteOptions): Promise<RemoteOutcome> {
  const { simpleGit } = await import('simple-git');
  const git = simpleGit(folder);
  if (!(await git.checkIsRepo().catch(() => false))) return { kind: 'no-repository', remote };
  // A branch without commits has a name too, but no commit to push.
  const branch = await git.raw('symbolic-ref', '--short', 'HEAD').then(
    (name) => name.trim(),
    () => 'HEAD:main',
  );
  const commits = await git.revparse(['--verify', '--quiet', 'HEAD']).then(
    (commit) => commit !== '',
    () => false,
  );
  const existing = (await git.getRemotes(true)).find((candidate) => candidate.name === remote);
  if (existing !== undefined && existing.refs.push !== url) {
    return { kind: 'other', remote, url: existing.refs.push, branch };
  }
  if (existing === undefined) await git.addRemote(remote, url);
  // After a login by WASMCLOUD_TOKEN alone, git does not know the credential helper yet.
  if (!(await hasCredentials(server, folder))) await setUpCredentials(server, launcher, { folder });
  return { kind: existing === undefined ? 'added' : 'present', remote, branch, commits };
}

/** Returns the next commands, ready to copy. */
export function describeRemote(outcome: RemoteOutcome, url: string): string[] {
  switch (outcome.kind) {
    case 'added':
    case 'present': {
      const push = `git push ${outcome.remote} ${outcome.branch}`;
      const done =
        outcome.kind === 'added' ? `added the git remote ${outcome.remote}` : `the git remote is there already`;
      return [done, outcome.commits ? `next: ${push}` : `next: git add . && git commit -m "First version" && ${push}`];
    }
    case 'other':
      return [
        `the git remote ${outcome.remote} points at ${outcome.url} and was left alone`,
        `next: git remote set-url ${outcome.remote} ${url} && git push ${outcome.remote} ${outcome.branch}`,
      ];
    case 'failed':
      return [
        `the git remote was not added: ${visible(outcome.why)}`,
        `next: git remote add ${outcome.remote} ${url} && git push ${outcome.remote} main`,
      ];
    case 'no-repository':
      return [
        'this folder is no git repository; in yours, run:',
        `  git remote add ${outcome.remote} ${url}`,
        `  git push ${outcome.remote} main`,
      ];
  }
}
