/** What the git door allows. Each value says why; all can be set lower in tests. */
import { KIB, MIB, pushLimits } from '../../protocol/limits.ts';

export interface GitLimits {
  /** Fetches and advertisements that run at once: a git process each. */
  readonly operations: number;
  /**
   * Pushes that run at once: each is five processes, and control holds its module twice, of 64 MiB at most but for one
   * of 128 MiB at a time.
   */
  readonly pushOperations: number;
  /** Fetches, and pushes, that run at once for one user, so that one user's slow clients cannot block others. */
  readonly operationsPerUser: number;
  /** Operations that wait for a turn, pushes and others each; beyond it 503. */
  readonly waiting: number;
  /** Operations of one user that wait for a turn, pushes and others each. */
  readonly waitingPerUser: number;
  /** Pushes that wait for one repository: a script's worth, not a queue to live in. */
  readonly waitingPerRepository: number;
  /**
   * Milliseconds that an operation waits for its turn: less than the server leaves a silent connection open, so that
   * the refusal arrives.
   */
  readonly turnMs: number;
  /** Pushes whose pack is arriving. They hold a connection and a file each, but no git process. */
  readonly receiving: number;
  /** Pushes of one user whose pack is arriving. */
  readonly receivingPerUser: number;
  /** Bytes of all packs that have arrived, or are arriving, and that git has not finished with. */
  readonly spoolBytes: number;
  /** The same for one user: a pack of the largest size, and some others beside it. */
  readonly spoolBytesPerUser: number;
  /** Bytes of a pack kept in memory; a longer one goes to a file. */
  readonly spoolMemoryBytes: number;
  /** Refs in one push: all tags of an old repository. */
  readonly refs: number;
  /** Bytes of the command section of a push. More than `refs` refs are read, so that each gets its refusal. */
  readonly commandBytes: number;
  /** Bytes of a compressed request, inflated. git compresses only fetch negotiations, JGit small pushes. */
  readonly inflatedBytes: number;
  /** Bytes of a fetch negotiation that is not compressed. */
  readonly fetchBytes: number;
  /** Bytes of the body of a push: a whole pack and the command section. */
  readonly pushBytes: number;
  /** Milliseconds from the request's head to the end of the command section or negotiation. */
  readonly commandsMs: number;
  /** Milliseconds in which a client moves at least `slowBytes`, of a pack that it sends or a fetch that it reads. */
  readonly idleMs: number;
  /** Bytes: 16 KiB in 30 s is less than a tenth of the slowest mobile network. */
  readonly slowBytes: number;
  /** Milliseconds in which a whole pack arrives: less than the server gives a request, so that the refusal is in git's words. */
  readonly receiveMs: number;
  /** Milliseconds of one git process, hooks included: a vet may queue. */
  readonly operationMs: number;
  /** Milliseconds from SIGTERM, on which git removes its quarantine, to SIGKILL. */
  readonly killMs: number;
  /** Milliseconds in which the rest of a refused body is read before the answer: most clients end in that time. */
  readonly drainMs: number;
  /** Milliseconds in which it is read on after the answer, so that the client gets to read it. */
  readonly lingerMs: number;
  /** Bytes kept of git's stderr for the log. */
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
  turnMs: 150_000,
  receiving: 64,
  receivingPerUser: 8,
  spoolBytes: 2048 * MIB,
  spoolBytesPerUser: 512 * MIB,
  spoolMemoryBytes: MIB,
  refs: 1_000,
  commandBytes: 4 * MIB,
  inflatedBytes: 8 * MIB,
  fetchBytes: 4 * MIB,
  pushBytes: pushLimits.packBytes + MIB,
  commandsMs: 10_000,
  idleMs: 30_000,
  slowBytes: 16 * KIB,
  receiveMs: 9 * 60_000,
  operationMs: 15 * 60_000,
  killMs: 1_000,
  drainMs: 4_000,
  lingerMs: 2_000,
  stderrBytes: 8 * KIB,
  pushes: { burst: 200, everyMs: 1_000, keys: 10_000 },
};
