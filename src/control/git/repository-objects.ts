/** Reads the objects of a repository on this disk, by git commands of its own. */
import { execFile } from 'node:child_process';
import { PlatformError } from '../../protocol/errors.ts';
import type { PushedObjects, TreeEntry } from '../../protocol/push.ts';
import { hookLimits } from './hook-endpoint.ts';
import { parseTree } from './hook-objects.ts';

export interface RepositoryObjectsOptions {
  /** Path of the bare repository. */
  readonly path: string;
  /** Environment of git. */
  readonly environment: Readonly<Record<string, string>>;
}

/** Milliseconds after which a git command that reads one object is ended: the disk hangs. */
const readMsMax = 5 * 60_000;

export class RepositoryObjects implements Pick<PushedObjects, 'list' | 'read'> {
  readonly #options: RepositoryObjectsOptions;

  constructor(options: RepositoryObjectsOptions) {
    this.#options = options;
  }

  /** Returns all files below `commit`. Throws `internal` where git has no such commit. */
  async list(commit: string): Promise<readonly TreeEntry[]> {
    return parseTree(await this.#git(['ls-tree', '-r', '-z', '-l', '--full-tree', checked(commit)], hookLimits.bytes));
  }

  /** Returns a blob's bytes. Throws `limit_exceeded` above `bytesMax`, `internal` where git has no such blob. */
  async read(oid: string, bytesMax: number): Promise<Uint8Array> {
    const size = Number((await this.#git(['cat-file', '-s', checked(oid)], 100)).toString('latin1'));
    if (size > bytesMax) throw new PlatformError('limit_exceeded', `an object has more than ${bytesMax} bytes`);
    return this.#git(['cat-file', 'blob', oid], bytesMax);
  }

  #git(args: readonly string[], bytesMax: number): Promise<Buffer> {
    const { path, environment } = this.#options;
    const options = { cwd: path, env: { ...environment }, timeout: readMsMax, maxBuffer: bytesMax + 1 };
    return new Promise((resolve, reject) => {
      execFile('git', [...args], { ...options, encoding: 'buffer' }, (error, stdout) => {
        if (error === null) resolve(stdout);
        else reject(new PlatformError('internal', `git ${args[0]} cannot read ${args.at(-1)}`, { cause: error }));
      });
    });
  }
}

/** Returns `oid`. Throws TypeError for anything but the id of an object, which git could take for an option. */
function checked(oid: string): string {
  if (!/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(oid)) throw new TypeError('not the id of an object');
  return oid;
}
