/** Finds the handler that a repository belongs to, so that commands inside it need no name. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { PlatformError } from '../src/protocol/errors.ts';
import { isHandlerName } from '../src/protocol/names.ts';
import { isLoopback } from './config.ts';

const run = promisify(execFile);

/** A remote of a git repository. */
export interface Remote {
  readonly name: string;
  readonly url: string;
}

/**
 * Returns the name of the handler that the repository around `folder` pushes to at `server`. The remote `wasmcloud`
 * comes first. Throws `bad_request` where no remote leads to `server`, or several to different handlers.
 */
export async function handlerOfRepository(folder: string, server: string): Promise<string> {
  const remotes = await readRemotes(folder);
  const names = handlersOfRemotes(remotes, server);
  const [name] = names;
  if (name !== undefined && (names.length === 1 || remotes.some((remote) => isOurs(remote, server)))) return name;
  const why =
    names.length > 1
      ? `this repository has remotes of ${names.join(' and ')}`
      : `no handler is named, and no git remote here leads to ${server}`;
  const elsewhere = remotes.find((remote) => remote.name === 'wasmcloud');
  throw new PlatformError('bad_request', why, {
    hints: [
      'name the handler; wasmcloud list shows yours',
      ...(names.length === 0 && elsewhere !== undefined
        ? [`the remote wasmcloud leads to ${elsewhere.url}: pass that server with --server`]
        : []),
    ],
  });
}

const isOurs = (remote: Remote, server: string) =>
  remote.name === 'wasmcloud' && handlerOfUrl(remote.url, server) !== null;

/** Returns the handlers that `remotes` lead to at `server`, each once, that of the remote `wasmcloud` first. */
export function handlersOfRemotes(remotes: readonly Remote[], server: string): readonly string[] {
  const ordered = remotes.toSorted((a, b) => Number(b.name === 'wasmcloud') - Number(a.name === 'wasmcloud'));
  return [...new Set(ordered.map(({ url }) => handlerOfUrl(url, server)).filter((name) => name !== null))];
}

/**
 * Gives the remotes of the repository around `folder` that lead to the handler `from` at `server` the URL of the
 * handler `to`, credentials in the URL included. Returns the names of these remotes; none in a folder without a
 * repository.
 */
export async function moveRemotes(
  folder: string,
  { server, from, to }: { readonly server: string; readonly from: string; readonly to: string },
): Promise<readonly string[]> {
  const moved = (await readRemotes(folder)).filter(({ url }) => handlerOfUrl(url, server) === from);
  for (const { name, url } of moved) {
    const start = url.replace(/(?:\.git)?\/?$/, '').lastIndexOf(from);
    const changed = `${url.slice(0, start)}${to}${url.slice(start + from.length)}`;
    await run('git', ['remote', 'set-url', '--', name, changed], { cwd: folder, timeout: 10_000 });
  }
  return moved.map(({ name }) => name);
}

/** Returns NAME of `http://127.0.0.1:3002/NAME.git`; null for a URL at another server. */
function handlerOfUrl(text: string, server: string): string | null {
  const url = URL.parse(text);
  const base = new URL(server);
  if (url === null || url.protocol !== base.protocol || url.port !== base.port) return null;
  const sameHost = url.hostname === base.hostname || (isLoopback(url.hostname) && isLoopback(base.hostname));
  const folder = base.pathname.replace(/\/+$/, '');
  if (!sameHost || !url.pathname.startsWith(`${folder}/`)) return null;
  const name = /^([^/]+?)(?:\.git)?\/?$/.exec(url.pathname.slice(folder.length + 1))?.[1];
  return name !== undefined && isHandlerName(name) ? name : null;
}

/** Returns the remotes of a repository; none when `folder` is in no repository, or git is not installed. */
async function readRemotes(folder: string): Promise<readonly Remote[]> {
  const words = ['config', '--null', '--get-regexp', '^remote\\..*\\.url$'];
  const { stdout } = await run('git', words, { cwd: folder, timeout: 10_000 }).catch(() => ({ stdout: '' }));
  return stdout.split('\0').flatMap((entry) => {
    const [, name, url] = /^remote\.(.*)\.url\n(.*)$/s.exec(entry) ?? [];
    return name === undefined || url === undefined ? [] : [{ name, url }];
  });
}
