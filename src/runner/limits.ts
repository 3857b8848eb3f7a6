/** Limits that only a runner uses; shared ones are in src/protocol/limits.ts. */
import { KIB, MIB } from '../protocol/limits.ts';

export const admission = {
  /**
   * Invocations beyond runnerLimits.inFlight, for handlers that use few, so that one handler with 10,000 waiting calls
   * cannot block the others. The sum is far below the 32,000 at which V8 aborts.
   */
  reserve: 1_000,
  /** Number of invocations in flight below which a handler may use the reserve. */
  reserveBelow: 50,
  /** Seconds that a client is told to wait after a 503. */
  retryAfterSeconds: 1,
} as const;

export const asyncLimits = {
  /**
   * Asynchronous requests that one runner receives or stores at the same time, each with up to 1 MiB. Owners share
   * these places.
   */
  accepting: 64,
  /**
   * Milliseconds within which the whole body of an asynchronous request must arrive, so that a slow client does not
   * hold a place for long.
   */
  receiveMs: 30_000,
} as const;

export const connectionLimits = {
  /** Open connections of one runner. Each costs a few KiB and a file descriptor. */
  connections: 20_000,
  /**
   * Requests of a connection that wait behind an unanswered one; with more, it is closed. Common clients never
   * pipeline.
   */
  pipelined: 8,
  /** Bytes of a request's head; the same as Node's default. */
  headBytes: 16 * KIB,
  headMs: 15_000,
  /**
   * Milliseconds for a whole request. A slow upload may take as long as the longest deadline, which ends it properly.
   */
  requestMs: 16 * 60_000,
  /**
   * Milliseconds without any traffic, while no function runs for the connection: kept alive and idle (longer than
   * common proxies keep connections), or a client that does not read its answer.
   */
  silentMs: 65_000,
  /**
   * Bytes of an unread body that are read and dropped: otherwise the client would see a reset instead of the answer.
   */
  lingerBytes: 16 * MIB,
  lingerMs: 5_000,
} as const;

/**
 * Bytes of chunked request bodies that one runner collects before their functions run: 128 of the longest. Further
 * requests are answered 503.
 */
export const collectedBodyBytes = 128 * MIB;

/** Bytes of standard output kept of a function that a queue or a schedule has called: it may become a message. */
export const capturedBytes = 1 * MIB;

/** Local redirects followed in one request. RFC 3875 leaves loops to the server; a browser stops at about 20. */
export const localRedirectsMax = 5;

/** Milliseconds that an ended Process waits for its resources to close (a commit, a close handshake). */
export const closeMs = 5_000;

/**
 * Milliseconds between two checks of deadlines: a Process ends later than its deadline by at most this plus a slice.
 */
export const tickMs = 25;

export const codeLimits = {
  /**
   * Bytes of machine code in a runner. V8 aborts the process at 4 GiB of committed code; optimised code is not counted
   * here, and dropped code stays until the next full collection.
   */
  bytes: 1024 * MIB,
  /** Share of these bytes for the functions of one user; above it the user's own code is dropped first. */
  shareOfOwner: 1 / 2,
  /** Artifacts compiled at the same time; each compilation uses several cores. */
  loading: 2,
  /**
   * An owner whose load has dropped other code rests before the next such load: this many times as long as the
   * compilation took, and at most `restMs` milliseconds.
   */
  restFactor: 15,
  restMs: 5_000,
  /** Artifacts that wait to be compiled. */
  waiting: 1_000,
  /**
   * Requests of all functions that wait for code, or for an instance that takes long to make. Owners share these
   * places.
   */
  requests: 2_000,
  /** Milliseconds for which a starting runner compiles before it reports that it serves; it continues afterwards. */
  readyMs: 2_000,
  /** Bytes of dropped code after which a full collection is forced: it takes some milliseconds and frees the code. */
  collectBytes: 256 * MIB,
  /** Milliseconds for which that collection lets the load go first that made it due: its caller waits for it. */
  collectAfterMs: 100,
  /** Bytes of dropped code after which it waits no longer. With `bytes` they are far below V8's limit. */
  collectNowBytes: 512 * MIB,
} as const;

export const poolLimits = {
  /** Spare instances of one Artifact; calls beyond them make new ones. */
  sparePerPool: 512,
  /** Share of the pool's bytes for spare instances of one Artifact. */
  shareOfBytes: 1 / 4,
  /** Bytes up to which an instance is restored at once (about 5 µs); larger ones are restored when the loop turns. */
  restoreAtOnceBytes: 256 * KIB,
  /** Bytes restored in one turn of the event loop, which takes about 0.1 ms. */
  restorePerTurnBytes: 1 * MIB,
  /** Bytes above which restoring costs more than a new memory, whose untouched pages cost nothing. */
  restoreMaxBytes: 32 * MIB,
  /** Bytes of a table entry in a new instance; measured: 29 to 42. */
  tableEntryBytes: 40,
  /** Bytes counted for an instance besides its memory and table. */
  overheadBytes: 16 * KIB,
  /** Milliseconds after which unused spare instances are released. */
  sweepMs: 5_000,
} as const;

export const restLimits = {
  /** Milliseconds of making an instance from which its owner rests: ten slices. */
  restFromMs: 5,
  /**
   * Length of the rest, in times of making the instance: one owner's instances hold the thread for less than a
   * hundredth of the time, so that they are not in the 99th percentile of others' calls.
   */
  restFactor: 120,
  /** Milliseconds that a call waits for an instance, a new one or one that another call returns. */
  waitMs: 10_000,
  /** Calls of one pool that wait for an instance. */
  waiting: 100,
} as const;

export const reserveLimits = {
  /** Greatest number of pages in reserve, 16 MiB: zeroing them takes about 0.5 ms. */
  pagesMax: 256,
  /** Measured costs in microseconds: to zero a page, to make a slot, and to touch a page of a new memory. */
  zeroedPageUs: 2,
  newSlotUs: 200,
  newPageUs: 30,
  /** Calls before the first review of the estimate; the number doubles with each review, up to `reviewCalls`. */
  firstReviewCalls: 8,
  reviewCalls: 64,
  /** Calls after which the weight of older ones is halved. */
  rememberedCalls: 1_024,
  /** Share of the cost that another size must save, since all slots are made anew for it. */
  gain: 0.1,
} as const;

export const instanceLimits = {
  /**
   * Exports from which an instance is wide: its hidden exports are mutable globals, of which compilers make fewer than
   * 10.
   */
  wideExports: 256,
  /** Exports of wide instances, in sum, after which a full collection is forced; making them takes some 15 ms. */
  collectExports: 50_000,
} as const;

export const sliceLimits = {
  /**
   * Milliseconds of a slice: a request waits at most as long for each guest that computes. Switching guests costs about
   * 15 µs.
   */
  sliceMs: 0.5,
  /** Gas of the first slice of every invocation: short work ends within it, without waiting for a turn. */
  firstGas: 1_000_000,
  minGas: 100_000,
  maxGas: 20_000_000,
  /** Gas of a slice before any measurement. */
  startGas: 2_000_000,
} as const;

/** Milliseconds between two reports of refusals that belong to no Deployment; a report counts the others. */
export const refusalReportMs = 1_000;

export const usageLimits = {
  flushMs: 200,
  /** Silent successes and refusals per Deployment and second that get a record of their own. */
  recordsPerSecond: 200,
  /**
   * Successes and refusals of a Deployment with log lines that get records at once: as many as control keeps of a
   * handler. Followed by how many of them are regained in a second.
   */
  loggedRecords: 10_000,
  loggedRecordsPerSecond: 1_000,
  /** Records that wait for control; above them only counters are kept. */
  bufferRecords: 20_000,
  batchRecords: 1_000,
  /** Milliseconds after which a running Invocation is listed; most end before. */
  listedAfterMs: 200,
  /** Invocations listed at once by one runner: more than a person reads, about 0.5 MiB. */
  listedMax: 1_000,
} as const;

/** Characters of log text in one batch, which the channel copies as a whole; a single line may be longer. */
export const batchBytes = MIB;

/** Batches given to the channel that control has not answered yet; more would only fill Node's own queue. */
export const batchesUnderway = 4;

/** Requests to control (kv, queue) that wait for an answer. */
export const busRequestsMax = 10_000;

/** When a runner closes its listener. */
export const quietLimits = {
  /** Turns of the event loop, one after another, that are shorter than `turnMs`. */
  turns: 3,
  turnMs: 0.05,
  /** Turns after which it closes anyway. */
  turnsMax: 1_000,
} as const;

/**
 * Requests of guests to control that are on their way at a time; one owner's are half of them at most. Control commits
 * some hundred writes at once, and reads 64 values.
 */
export const busRequestsUnderway = 256;

export const orphanLimits = {
  /** Milliseconds that a runner without control lives: nobody can change or stop its functions meanwhile. */
  lifetimeMs: 60 * 60_000,
  /** Milliseconds between two questions whether a new control has taken over. Each costs control some 0.2 ms. */
  askMs: 200,
  /** Milliseconds for which it asks that often; later it asks every `laterAskMs`. */
  oftenMs: 30_000,
  laterAskMs: 1_000,
  askTimeoutMs: 2_000,
  /** Bytes of one answer of control; longer ones come from another program. */
  answerBytes: 4_096,
  /** Batches of log lines and usage that wait for control's answer at the same time. */
  reports: 2,
  /** Milliseconds after its last Invocation for which it tries to hand over its remaining data. */
  handOverMs: 10_000,
  /** Milliseconds that idle connections are kept after the takeover, so that a request on its way is answered. */
  idleMs: 1_000,
} as const;
