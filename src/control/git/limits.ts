/** Limits of the git door, each with its reason. Tests may set lower values. */
import { KIB, MIB, pushLimits } from '../../protocol/limits.ts';

export interface GitLimits {
  /** Fetches and advertisements that run at once. Each one is a git process. */
  readonly operations: number;
  /**
   * Pushes that run at once. Each one takes five processes, and control holds its module twice: modules of up to 64
   * MiB, and one larger module at a time.
   */
  readonly pushOperations: number;
  /**
   * Fetches of one user, and likewise pushes, that run at once, so that slow clients of one user cannot block others.
   */
  readonly operationsPerUser: number;
  /** Operations that wait for a turn, counted apart for pushes and others; further ones are answered 503. */
  readonly waiting: number;
  /** Operations of one user that wait for a turn, counted apart for pushes and others. */
  readonly waitingPerUser: number;
  /** Pushes that wait for one repository: enough for a script. */
  readonly waitingPerRepository: number;
  /**
   * Milliseconds that an operation waits for its turn: less than the server keeps a silent connection, so that the
   * refusal arrives.
   */
  readonly turnMs: number;
  /**
   * Turns of one push. It takes another one where its name has come to belong to another repository while it waited.
   */
  readonly turnsPerPush: number;
  /** Pushes whose pack is arriving. They hold a connection and a file each, but no git process. */
  readonly receiving: number;
  /** Pushes of one user whose pack is arriving. */
  readonly receivingPerUser: number;
  /** Bytes of all packs that have arrived or are arriving and that git has not finished with. */
  readonly spoolBytes: number;
  /** Bytes of such packs of one user: one pack of the largest size and some smaller ones. */
  readonly spoolBytesPerUser: number;
  /** Bytes of a pack kept in memory; a longer one goes to a file. */
  readonly spoolMemoryBytes: number;
  /** Refs in one push: all tags of an old repository. */
  readonly refs: number;
  /** Bytes of the command section of a push: room for more than `refs` refs, so that each gets its refusal. */
  readonly commandBytes: number;
  /** Bytes of a compressed request, inflated. git compresses only fetch negotiations, JGit small pushes. */
  readonly inflatedBytes: number;
  /** Bytes of a fetch negotiation that is not compressed. */
  readonly fetchBytes: number;
  /** Bytes of the body of a push: a whole pack and the command section. */
  readonly pushBytes: number;
  /** Milliseconds from the request's head to the end of the command section or negotiation. */
  readonly commandsMs: number;
  /** Milliseconds within which a client must send or read at least `slowBytes`. */
  readonly idleMs: number;
  /** Bytes: 16 KiB in 30 s is less than a tenth of the slowest mobile network. */
  readonly slowBytes: number;
  /** Milliseconds for a whole pack to arrive: less than the server gives a request, so that git shows the refusal. */
  readonly receiveMs: number;
  /** Milliseconds of one git process with its hooks, which may wait for a vet child. */
  readonly operationMs: number;
  /**
   * Milliseconds that git may work on the objects of one push, until its hook begins and then for what control reads: a
   * full pack of source code takes a minute or two.
   */
  readonly objectsMs: number;
  /** Milliseconds after which a git process gets a lower priority than those of others: most have ended by then. */
  readonly longMs: number;
  /** Milliseconds from SIGTERM, on which git removes its quarantine, to SIGKILL. */
  readonly killMs: number;
  /** Milliseconds between two looks whether who fetches still may: a client may take its time to read. */
  readonly recheckMs: number;
  /** Milliseconds for which the rest of a refused body is read before the answer; most clients end within them. */
  readonly drainMs: number;
  /** Milliseconds for which the body is read after the answer, so that the client can read the answer. */
  readonly lingerMs: number;
  /** Bytes kept of git's stderr for the log. */
  readonly stderrBytes: number;
  /** Pushes of one user: a burst that lasts a script 90 s at two per second, then one per second. */
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
  turnsPerPush: 10,
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
  objectsMs: 5 * 60_000,
  longMs: 5_000,
  killMs: 1_000,
  recheckMs: 10_000,
  drainMs: 4_000,
  lingerMs: 2_000,
  stderrBytes: 8 * KIB,
  pushes: { burst: 200, everyMs: 1_000, keys: 10_000 },
};
