/**
 * One `git push` as the stations see it: src/control/git takes it from the network and from git's hooks,
 * src/control/deploy decides about it. Types only, so that neither imports the other.
 */
import type { User } from './nouns.ts';

/** One command of a push. `null` stands for git's all-zero object id. */
export interface RefUpdate {
  /** Full name, `refs/heads/…` or `refs/tags/…`. */
  readonly ref: string;
  readonly old: string | null;
  readonly new: string | null;
}

/** One line of `git ls-tree -r -l`. */
export interface TreeEntry {
  /** Octal, six digits: 100644, 100755, 120000 (symbolic link), 160000 (submodule). */
  readonly mode: string;
  readonly oid: string;
  /** Bytes; 0 for what is no blob. */
  readonly size: number;
  /** Bytes that are no UTF-8 stand as `\xNN` in it. */
  readonly path: string;
  /** Whether the name in git is UTF-8, and `path` is that name. */
  readonly isUtf8: boolean;
}

/** Reads the objects of a push while they are still in git's quarantine. */
export interface PushedObjects {
  /** Returns all files below `commit`. Throws `tree_invalid` past `pushLimits.treeFiles`. */
  list(commit: string): Promise<readonly TreeEntry[]>;
  /** Returns a blob's bytes, unchanged. Throws `limit_exceeded` above `bytesMax`. */
  read(oid: string, bytesMax: number): Promise<Uint8Array>;
}

/** Shows one or more lines to the user who pushes, at once. Lines end with \n, without `remote: `. */
export type Print = (text: string) => void;

export interface IncomingPush {
  /** As in the URL; valid, but perhaps of no handler yet. */
  readonly handlerName: string;
  /** The handler's id, or the id it gets if this push creates it; names the repository. */
  readonly handlerId: string;
  readonly handlerExists: boolean;
  readonly user: User;
  readonly updates: readonly RefUpdate[];
}

/** One push from git's pre-receive hook until git has ended. Calls come in this order, once each. */
export interface PushSession {
  /** Decides whether git may move the refs, and prints everything there is to say. Never rejects. */
  preReceive(objects: PushedObjects, print: Print, signal: AbortSignal): Promise<boolean>;
  /** Takes notice that the refs have moved. Never rejects. */
  postReceive(print: Print): Promise<void>;
  /** Takes notice that git has ended, whether or not it came as far as the calls above: nothing stays half done. */
  ended(): Promise<void>;
}

/** src/control/deploy, as the git door uses it. */
export interface PushReceiver {
  begin(push: IncomingPush): PushSession;
}
