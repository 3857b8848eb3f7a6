/**
 * Names every limit that more than one station knows, with its unit and its reason. A limit that only one station knows
 * stands in that station's folder, under the same rule.
 */
import { keysOf, recordOf } from './record-of.ts';

export const KIB = 1024;
export const MIB = 1024 * KIB;
/** A WebAssembly page, in bytes. */
export const PAGE_BYTES = 64 * KIB;

/**
 * Limits of an Invocation. Types, schemas, the manifest's keys and command line options are derived from this table.
 * All values are whole numbers, at least 1.
 *
 * - `key`: key under `[limits]` in wasmcloud.toml
 * - `default`: value without a manifest
 * - `maximum`: the most that a manifest may ask for
 * - `meaning`: phrase for help, API and docs; it names the unit
 */
const limitTable = {
  memoryPages: {
    key: 'memory-pages',
    default: 2048,
    maximum: 16_384, // 1 GiB
    meaning: 'pages of 64 KiB that the memory may grow to',
  },
  gas: {
    key: 'gas',
    default: 1_000_000_000,
    maximum: 1_000_000_000_000,
    meaning: 'instructions, and their equivalents, of one invocation',
  },
  timeoutMs: {
    key: 'timeout-ms',
    default: 30_000,
    maximum: 15 * 60_000,
    meaning: 'milliseconds on the wall clock for one invocation',
  },
  bodyBytes: {
    key: 'body-bytes',
    default: 10 * MIB,
    maximum: 100 * MIB,
    meaning: 'bytes of the request body',
  },
} as const;

export type LimitName = keyof typeof limitTable;

/** What one Invocation may use, by LimitName. The manifest sets it, up to `maximumLimits`. */
export type Limits = Readonly<Record<LimitName, number>>;

export const limitNames = keysOf(limitTable);

export type LimitKey = (typeof limitTable)[LimitName]['key'];

/** Maps each key under `[limits]` in wasmcloud.toml to the limit that it sets. */
export const limitByKey = Object.fromEntries(limitNames.map((name) => [limitTable[name].key, name])) as Readonly<
  Record<LimitKey, LimitName>
>;
export const limitKeys = keysOf(limitByKey);

/** Returns the key of a limit under `[limits]` in wasmcloud.toml. */
export function limitKeyOf(name: LimitName): LimitKey {
  return limitTable[name].key;
}

/**
 * Key under `[limits]` in wasmcloud.toml whose value (true or false) asks for memories without a reserve
 * (docs/limits.md).
 */
export const exactMemoryKey = 'exact-memory';

/** What each limit counts, by LimitName: a phrase that names the unit. */
export const limitMeanings = recordOf(limitNames, (name) => limitTable[name].meaning);

/** Limits of a Deployment whose manifest sets none. */
export const defaultLimits: Limits = recordOf(limitNames, (name) => limitTable[name].default);

/** Limits of a Deployment whose repository has a `handler.policy`: Olin's defaults. */
export const olinLimits: Limits = { ...defaultLimits, memoryPages: 128, gas: 33_554_432 };

/** Greatest values that a manifest may ask for. */
export const maximumLimits: Limits = recordOf(limitNames, (name) => limitTable[name].maximum);

export const outageLimits = {
  /**
   * Milliseconds within which a push that is under way is refused when NATS or PostgreSQL goes away or hangs
   * (docs/cluster.md). The times that it waits for one of them are shorter together.
   */
  pushRefusedMs: 5_000,
} as const;

export const pushLimits = {
  /** Bytes of a module as pushed. Interpreters reach 25 MB, compilers 75 MB (LLVM). */
  moduleBytes: 128 * MIB,
  /** Bytes of wasmcloud.toml, and of handler.policy. */
  manifestBytes: 64 * KIB,
  /** Initial entries of all tables of a module together. LLVM has 37,270, pandoc 707,047. */
  tableEntries: 1_000_000,
  /** Number of files in the deployed tree. */
  treeFiles: 10_000,
  /** Code points of a commit's author, and of its subject, that are kept. */
  commitWordsMax: 200,
  /**
   * Bytes of the list of these files: some 400 for each path. Control reads the list in one go: 128 MiB of it, which a
   * push of some 100 KB can name, took seconds of its only thread.
   */
  treeListBytes: 4 * MIB,
  /** Bytes of the files under the manifest's `files.root`. Runners hold them in memory. */
  fileBytes: 16 * MIB,
  /** Bytes of one pack (git's receive.maxInputSize). */
  packBytes: 256 * MIB,
  /**
   * Size in bytes from which a module counts as large: large modules are vetted one at a time, with more memory and
   * time.
   */
  largeModuleBytes: 64 * MIB,
  /** Resident memory, in bytes, of a vet child for a module that is not large (docs/safety.md). */
  vetRssBytes: 1024 * MIB,
  vetTimeoutMs: 20_000,
  /**
   * Resident memory, in bytes, added for each byte of a large module above `largeModuleBytes`: at that size the ratio
   * is the same.
   */
  vetRssBytesPerByte: 16,
  vetTimeoutMsPerMib: 500,
} as const;

export const runnerLimits = {
  /** Invocations in flight in one runner. V8 aborts the process just past 32,000 suspended calls (docs/safety.md). */
  inFlight: 10_000,
  /** Bytes of the CGI header block in a function's answer. */
  headerBytes: 64 * KIB,
  /** Bytes of output that the client has not taken yet; a guest that writes more waits. */
  outputBytes: 256 * KIB,
  /**
   * Bytes of a chunked request body that the runner reads before the function starts, so that it gets a CONTENT_LENGTH.
   */
  collectedBytes: 1 * MIB,
  /** Bytes of an answer that is sent in one piece, with Content-Length; longer answers are streamed. */
  flushBytes: 16 * KIB,
  /** Milliseconds that in-flight work gets after SIGTERM. */
  drainMs: 10_000,
} as const;

export const logLimits = {
  /** Bytes of one line; a longer line is split, and its pieces are marked. */
  lineBytes: 8 * KIB,
  /**
   * Bytes that one log_write may write, over as many lines as they need; further bytes are cut, and the cut is marked.
   */
  messageBytes: 1 * MIB,
  /**
   * Lines of one Invocation that are all kept. Of further ones every hundredth is kept, and every tenth of those for
   * each further power of ten: one line says so at once, and an exact count follows at the end.
   */
  linesPerInvocation: 10_000,
  /** Lines that wait in a runner to be sent; further lines are dropped and counted. */
  bufferLines: 20_000,
  bufferBytes: 16 * MIB,
  /** Lines of one batch that a runner sends to control. */
  batchLines: 1_000,
  batchDelayMs: 20,
  /** Days for which lines may be kept. */
  retainedDaysMax: 3_650,
} as const;

export const kvLimits = {
  /** Bytes of a key. */
  keyBytes: 1024,
  /** Bytes of a value. A value travels between runner and control in one message. */
  valueBytes: MIB,
  /** Keys of one handler, all buckets together. */
  keys: 100_000,
  /** Bytes of all values of one handler. */
  handlerBytes: 256 * MIB,
  /** Keys on one page of a listing. */
  keysPerPage: 256,
} as const;

export const queueLimits = {
  /** Bytes of a message. A message travels between runner and control in one piece. */
  messageBytes: MIB,
  /** Queues of one user. The first message to a name creates its queue, so queues need a limit too. */
  queues: 1_000,
  /** Messages of one user, all queues and states together; their bytes count towards the quota. */
  messages: 1_000_000,
  /** Messages published in one transaction. */
  batch: 1_000,
  /** Characters of a deduplication key, and of a group key. */
  keyChars: 128,
  /** Milliseconds for which a deduplication key is remembered. */
  keyMs: 24 * 60 * 60_000,
  /** Milliseconds by which a message may be delayed. */
  delayMs: 30 * 24 * 60 * 60_000,
  /** Messages in the state `done` that are kept of each queue, for users to look at; `doneMs` limits their age. */
  doneMessages: 1_000,
  doneMs: 24 * 60 * 60_000,
  /** Characters of the reason for which a message failed. */
  reasonChars: 500,
} as const;

/** Limits of calls that the platform makes for itself: ticks of schedules and asynchronous HTTP requests. */
export const callLimits = {
  /** Schedules of one Deployment. */
  schedules: 16,
  /** Missed ticks of one schedule that are run late after a pause. */
  catchUp: 100,
  /** Bytes of a schedule's request body, which stands in the manifest. */
  scheduleBodyBytes: 16 * KIB,
  /** Least and greatest distance of two ticks of `every`, in milliseconds. */
  everyMs: { least: 1_000, most: 366 * 24 * 60 * 60_000 },
  /** Bytes of an asynchronous request's body, which travels between runner and control in one message. */
  bodyBytes: MIB,
  /** Bytes that one stored request counts towards the quota, besides its body. */
  requestBytes: 2 * KIB,
  /** Characters of an id that its handler's team is shown: 72 bits name the call, the other 120 give access to it. */
  shownIdChars: 12,
  /** Bytes of an answer that control keeps; a longer answer fails the call. */
  answerBytes: MIB,
  /** Asynchronous requests of one handler that wait or run; further requests are answered 503. */
  waiting: 1_000,
  /** Milliseconds after its end for which an asynchronous call can be read. */
  keptMs: 24 * 60 * 60_000,
  /** Milliseconds for which a call waits while its function cannot be called (none deployed, suspended). */
  patienceMs: 24 * 60 * 60_000,
  /** Ended runs that are kept of each schedule. */
  keptRuns: 50,
  /** Calls of one handler that one control makes at the same time. */
  concurrency: 16,
  /**
   * Deliveries of one call that may be cut off because a runner or control ended; after the last one the call fails.
   */
  interrupted: 3,
  /** Greatest number of attempts that TRISIEL_RETRY may ask for. */
  attempts: 100,
  /** Characters of the reason for which a call failed. */
  reasonChars: 500,
} as const;

export const nameLimits = { handlerChars: 40, userChars: 32 } as const;
