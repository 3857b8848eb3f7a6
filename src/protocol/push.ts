/**
 * Types of one `git push` as the stations see it: src/control/git takes it from the network and from git's hook,
 * src/control/deploy decides about it. Only types, so that neither station imports the other.
 */

import type { HandlerId } from './names.ts';
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
  /** Size in bytes; 0 for entries that are no blobs. */
  readonly size: number;
  /** Path in the tree. Bytes that are not UTF-8 are written `\xNN`. */
  readonly path: string;
  /** Whether the name in git is valid UTF-8, so that `path` is exactly that name. */
  readonly isUtf8: boolean;
}

/** Words about a commit, in valid UTF-16, cut to `pushLimits.commitWordsMax` code points; null: they cannot be read. */
export interface CommitWords {
  /** Name of who wrote it, as the commit says; nobody has checked it. */
  readonly author: string | null;
  /** First paragraph of its message, on one line. */
  readonly subject: string | null;
}

/** Reads the objects of a push while they are still in git's quarantine. */
export interface PushedObjects {
  /** Returns all files below `commit`. Throws `tree_invalid` past `pushLimits.treeFiles` and `treeListBytes`. */
  list(commit: string): Promise<readonly TreeEntry[]>;
  /** Returns a blob's bytes, unchanged. Throws `limit_exceeded` above `bytesMax`. */
  read(oid: string, bytesMax: number): Promise<Uint8Array>;
  /** Returns what a commit says about itself. */
  about(commit: string): Promise<CommitWords>;
}

/** Shows one or more lines to the user who pushes, at once. Lines end with \n, without `remote: `. */
export type Print = (text: string) => void;

export interface IncomingPush {
  /** Present name of the handler, or the name that it gets if this push creates it. */
  readonly handlerName: string;
  /** Former name of the handler, if the push was addressed to one; else null. */
  readonly formerName: string | null;
  /** Id of the handler, or the id that it gets if this push creates it; it names the repository. */
  readonly handlerId: HandlerId;
  readonly handlerExists: boolean;
  readonly user: User;
  readonly updates: readonly RefUpdate[];
}

/** One push, from git's pre-receive hook until git has ended. The methods are called in this order, once each. */
export interface PushSession {
  /** Decides whether git may move the refs, and prints the reasons. Never rejects. */
  preReceive(objects: PushedObjects, print: Print, signal: AbortSignal): Promise<boolean>;
  /** Releases the accepted commits after git has moved the refs and has ended. Never rejects. */
  refsMoved(print: Print): Promise<void>;
  /** Cleans up when git has ended, whether or not the calls above were made: nothing stays half done. */
  ended(): Promise<void>;
}

/** src/control/deploy, as the git door uses it. */
export interface PushReceiver {
  begin(push: IncomingPush): PushSession;
}
