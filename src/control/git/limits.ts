/** What the git door allows. Each value says why; all can be set lower in tests. */
import { KIB, MIB, pushLimits } from '../../protocol/limits.ts';

export interface GitLimits {
  /** Fetches and advertisements at once: a git process each. */
  readonly operations: number;
  /** Pushes at once: each is five processes, and control holds its module twice (64 MiB each at most). */
  readonly pushOperations: number;
  /** Of both for one user, so that nobody's slow clients shut out the others. */
  readonly operationsPerUser: number;
  /** Operations waiting for a turn, pushes and others each; beyond it 503. */
  readonly waiting: number;
  /** Operations of one user waiting for a turn, pushes and others each. */
  readonly waitingPerUser: number;
  /** Pushes waiting for one repository: a script's worth, not a queue to live in. */
  readonly waitingPerRepository: number;
  /** Refs in one push: all tags of an old repository. */
  readonly refs: number;
  /** The command section of a push, in bytes: `refs` names of 250 bytes. */
  readonly commandBytes: number;
  /** A compressed request, after inflating. git compresses only fetch negotiations, JGit small pushes. */
  readonly inflatedBytes: number;
  /** A fetch negotiation that is not compressed. */
  readonly fetchBytes: number;
  /** The body of a push: a whole pack and the command section. */
  readonly pushBytes: number;
  /** From the request's head to the end of the command section or negotiation. */
  readonly commandsMs: number;
  /** Longest silence of a client in the middle of a pack. */
  readonly idleMs: number;
  /** One git process, hooks included: a vet may queue, 256 MiB may come slowly. */
  readonly operationMs: number;
  /** SIGTERM lets git remove its quarantine; after this comes SIGKILL. */
  readonly killMs: number;
  /** A refused body is read on this long, so that the client gets to read why. */
  readonly lingerMs: number;
  /** Kept of git's stderr for the log. */
  readonly stderrBytes: number;
  /** Pushes of one user: a script that deploys twice a second for a minute and a half, then one each second. */
  readonly pushes: { readonly burst: number; readonly everyMs: number; readonly keys: number };
}

export const gitLimits: GitLimits = {
  operations: 16,
  pushOperations: 6,
  operationsPerUser: 4,
  waiting: 64,
  waitingPerUser: 8,
  waitingPerRepository: 8,
  refs: 1_000,
  commandBytes: 512 * KIB,
  inflatedBytes: 8 * MIB,
  fetchBytes: 4 * MIB,
  pushBytes: pushLimits.packBytes + MIB,
  commandsMs: 10_000,
  idleMs: 60_000,
  operationMs: 15 * 60_000,
  killMs: 1_000,
  lingerMs: 2_000,
  stderrBytes: 8 * KIB,
  pushes: { burst: 200, everyMs: 1_000, keys: 10_000 },
};
