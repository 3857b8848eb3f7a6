/** Limits that only a runner knows about; the shared ones are in src/protocol/limits.ts. */
import { KIB, MIB } from '../protocol/limits.ts';

export const admission = {
  /**
   * Places beyond runnerLimits.inFlight for handlers that use few, so that one handler with 10,000
   * waiting calls cannot shut out the others. Together far below the 32,000 where V8 aborts.
   */
  reserve: 1_000,
  /** A handler with fewer in flight than this may use the reserve. */
  reserveBelow: 50,
  /** What a client is told to wait after a 503. */
  retryAfterSeconds: 1,
} as const;

export const asyncLimits = {
  /** Asynchronous requests that one runner receives or stores at the same time, each with up to 1 MiB. Owners share them. */
  accepting: 64,
  /** Milliseconds in which the body of one arrives whole: one that drips holds a place. */
  receiveMs: 30_000,
} as const;

export const connectionLimits = {
  /** Open connections of one runner: each costs a few KiB, and a file descriptor. */
  connections: 20_000,
  /** Requests of a connection behind an unanswered one; beyond, it is closed. Common clients never send one. */
  pipelined: 8,
  /** Request head. Node's own default, written down. */
  headBytes: 16 * KIB,
  headMs: 15_000,
  /** A whole request; a slow upload lives as long as the longest deadline, which ends it properly. */
  requestMs: 16 * 60_000,
  /**
   * A connection on which nothing moves and for which no function runs: kept alive and idle (longer
   * than common proxies keep theirs), or a client that does not take its answer.
   */
  silentMs: 65_000,
  /** Body that nobody wants is read on and thrown away, or the client would see a reset instead of the answer. */
  lingerBytes: 16 * MIB,
  lingerMs: 5_000,
} as const;

/**
 * Bytes of chunked request bodies that are collected before their functions run, in one runner: 128 of the longest.
 * Beyond it such a request is answered 503.
 */
export const collectedBodyBytes = 128 * MIB;

/** Standard output that is kept of a function that a queue or a schedule has called: it may become a message. */
export const capturedBytes = 1 * MIB;

/** RFC 3875 leaves the loop of local redirects to the server; a browser stops at about 20. */
export const localRedirectsMax = 5;

/** A Process that has ended waits this long for its resources to close (a commit, a close handshake). */
export const closeMs = 5_000;

/** Deadlines are looked at this often: never later than this plus a slice. */
export const tickMs = 25;

export const codeLimits = {
  /**
   * Machine code of a runner. V8 aborts the process at 4 GiB of committed code; optimised code comes on top of what
   * is counted here, and dropped code stays until the next full collection.
   */
  bytes: 1024 * MIB,
  /** Of them for the functions of one user; beyond it that user's own code gives way first. */
  shareOfOwner: 1 / 2,
  /** Artifacts compiled at the same time: each uses the processor's other cores already. */
  loading: 2,
  /** Artifacts that wait for that. */
  waiting: 1_000,
  /** Requests that wait for code, of all functions. */
  requests: 2_000,
  /** A runner that starts compiles for so long before it tells that it serves; it goes on afterwards. */
  readyMs: 2_000,
  /** After dropping so much a full collection is forced: it takes some milliseconds, and frees the code. */
  collectBytes: 256 * MIB,
} as const;

export const poolLimits = {
  /** Spare instances of one Artifact; more concurrency than this makes new ones. */
  sparePerPool: 512,
  /** Share of the pool's bytes that spare instances of one Artifact may hold. */
  shareOfBytes: 1 / 4,
  /** Up to this size an instance is restored at once (about 5 µs), above it when the loop turns. */
  restoreAtOnceBytes: 256 * KIB,
  /** Restored in one turn of the event loop: about 0.1 ms. */
  restorePerTurnBytes: 1 * MIB,
  /** Restoring more than this costs more than a new memory, whose untouched pages cost nothing. */
  restoreMaxBytes: 32 * MIB,
  /** An entry of a table, as an instance that has just been made holds it; measured: 29 to 42. */
  tableEntryBytes: 40,
  /** What an instance without memory and table counts, and every one besides them. */
  overheadBytes: 16 * KIB,
  /** Spare instances that nobody has needed during this time are let go. */
  sweepMs: 5_000,
} as const;

export const reserveLimits = {
  /** Most pages in reserve, 16 MiB: zeroing them takes about 0.5 ms. */
  pagesMax: 256,
  /** Measured costs, in microseconds: to zero a page, to make a slot, and to touch each page of a new memory. */
  zeroedPageUs: 2,
  newSlotUs: 200,
  newPageUs: 30,
  /** The estimate is looked at after so many calls, and then after twice as many each time, up to `reviewCalls`. */
  firstReviewCalls: 8,
  reviewCalls: 64,
  /** Calls after which older ones count half. */
  rememberedCalls: 1_024,
  /** Share of the cost that another size must save: slots are remade for it. */
  gain: 0.1,
} as const;

export const instanceLimits = {
  /** An instance with so many exports is wide: its hidden exports are mutable globals, of which compilers make fewer than 10. */
  wideExports: 256,
  /** After wide instances with so many exports together a full collection is forced: some 15 ms of making them. */
  collectExports: 50_000,
} as const;

export const sliceLimits = {
  /** Wanted length of a slice: what a request waits at most for each guest that computes. Changing guests costs about 15 µs. */
  sliceMs: 0.5,
  /** The first slice of every invocation: short work is done within it, without a turn. */
  firstGas: 1_000_000,
  minGas: 100_000,
  maxGas: 20_000_000,
  /** Where nothing has been measured yet. */
  startGas: 2_000_000,
} as const;

/** Refusals that belong to no Deployment are reported to the operator once in this time, with a count of the others. */
export const refusalReportMs = 1_000;

export const usageLimits = {
  flushMs: 200,
  /** Silent successes and refusals per Deployment and second with a record of their own. */
  recordsPerSecond: 200,
  /** Records waiting for control; beyond them only counters are kept. */
  bufferRecords: 20_000,
  batchRecords: 1_000,
  /** An Invocation that runs for longer is listed while it runs; most never are. */
  listedAfterMs: 200,
  /** Listed at once by one runner: more than a person reads, and about 0.5 MiB. */
  listedMax: 1_000,
} as const;

/** Characters of log text in one batch; one line may be longer. A batch is copied whole by the channel. */
export const batchBytes = MIB;

/** Batches handed to the channel and not written yet; more would only move the queue into Node. */
export const batchesUnderway = 4;

/** Calls of control (kv, queue) waiting for an answer. */
export const busRequestsMax = 10_000;

export const orphanLimits = {
  /** Without control nobody can change or stop what it serves: it ends by itself. */
  lifetimeMs: 60 * 60_000,
  /** How often it asks whether a new control has taken over. Each costs control some 0.2 ms. */
  askMs: 200,
  /** So often only at first: a control that does not come back soon is asked for every `laterAskMs`. */
  oftenMs: 30_000,
  laterAskMs: 1_000,
  askTimeoutMs: 2_000,
  /** One answer of control; larger ones come from somebody else. */
  answerBytes: 4_096,
  /** Batches of log lines and usage that wait for control's answer at the same time. */
  reports: 2,
  /** After its last Invocation it tries for so long to hand over what control does not have yet. */
  handOverMs: 10_000,
  /** Idle connections are kept this long after takeover, so that a request on its way is answered. */
  idleMs: 1_000,
} as const;
