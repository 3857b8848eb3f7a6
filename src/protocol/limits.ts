/**
 * Every limit has a name, a unit and a reason here. A limit that one station alone
 * knows about stands in that station, under the same rule.
 */
import { recordOf } from './record-of.ts';

export const KIB = 1024;
export const MIB = 1024 * KIB;
/** A WebAssembly page, in bytes. */
export const PAGE_BYTES = 64 * KIB;

/**
 * The Limits of an Invocation: the one place that names them. Types, schemas, the manifest's keys and
 * command line options are derived from it. All values are whole numbers, at least 1.
 *
 * - `key`: the key under `[limits]` in wasmcloud.toml
 * - `default`: holds without a manifest
 * - `maximum`: the most that a manifest may ask for
 * - `meaning`: for a reader of help, API and docs; names the unit
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

/** How much one Invocation may use. From the manifest, never above the server's maximum. */
export type Limits = Readonly<Record<LimitName, number>>;

export const limitNames = Object.keys(limitTable) as readonly LimitName[];

export type LimitKey = (typeof limitTable)[LimitName]['key'];

/** Keys under `[limits]` in wasmcloud.toml, with the limit that each one sets. */
export const limitByKey = Object.fromEntries(limitNames.map((name) => [limitTable[name].key, name])) as Readonly<
  Record<LimitKey, LimitName>
>;
export const limitKeys = Object.keys(limitByKey) as readonly LimitKey[];

/** Returns the key of a limit under `[limits]` in wasmcloud.toml. */
export function limitKeyOf(name: LimitName): LimitKey {
  return limitTable[name].key;
}

/** Key under `[limits]` in wasmcloud.toml that asks for memories without a reserve (docs/limits.md); true or false. */
export const exactMemoryKey = 'exact-memory';

/** What each limit counts, by LimitName: a phrase that names the unit. */
export const limitMeanings = recordOf(limitNames, (name) => limitTable[name].meaning);

/** Hold without a manifest. */
export const defaultLimits: Limits = recordOf(limitNames, (name) => limitTable[name].default);

/** Olin's defaults: they hold when the repository carries a `handler.policy`. */
export const olinLimits: Limits = { ...defaultLimits, memoryPages: 128, gas: 33_554_432 };

/** The most that a manifest may ask for. */
export const maximumLimits: Limits = recordOf(limitNames, (name) => limitTable[name].maximum);

export const pushLimits = {
  /** A module as pushed. Interpreters reach 25 MB, compilers 75 (LLVM). */
  moduleBytes: 128 * MIB,
  /** wasmcloud.toml and handler.policy. */
  manifestBytes: 64 * KIB,
  /** Entries that all tables of a module begin with. LLVM has 37,270, pandoc 707,047. */
  tableEntries: 1_000_000,
  /** Files in the deployed tree. */
  treeFiles: 10_000,
  /** Bytes of the files under the manifest's `files.root`, which runners hold in memory. */
  fileBytes: 16 * MIB,
  /** A whole pack, git's receive.maxInputSize. */
  packBytes: 256 * MIB,
  /** Bytes from which a module is large: one push of a large one at a time, and its check may take more. */
  largeModuleBytes: 64 * MIB,
  /** The vet child: resident memory and wall clock, for a module that is not large (docs/safety.md). */
  vetRssBytes: 1024 * MIB,
  vetTimeoutMs: 20_000,
  /** Added for a large module: as much for each byte above `largeModuleBytes` as smaller ones may take for each byte. */
  vetRssBytesPerByte: 16,
  vetTimeoutMsPerMib: 500,
} as const;

export const runnerLimits = {
  /** Suspended calls abort the process just past 32,000 (docs/safety.md). */
  inFlight: 10_000,
  /** CGI header block of a function's answer. */
  headerBytes: 64 * KIB,
  /** Output that has not reached the client; the guest waits beyond it. */
  outputBytes: 256 * KIB,
  /** A chunked request body up to this size is read before the function runs, so that it has a CONTENT_LENGTH. */
  collectedBytes: 1 * MIB,
  /** Answers of at most this size go out in one piece with Content-Length. */
  flushBytes: 16 * KIB,
  /** SIGTERM: in-flight work gets this long. */
  drainMs: 10_000,
} as const;

export const logLimits = {
  /** One line; a longer one is split, and its pieces are marked. */
  lineBytes: 16 * KIB,
  /** What one log_write may write, in as many lines as it takes; the rest is cut and marked. */
  messageBytes: 1 * MIB,
  /** Lines of one Invocation; beyond them it is silent, which a line says at once, and a count follows at its end. */
  linesPerInvocation: 10_000,
  /** Lines waiting in a runner; beyond them lines are dropped and counted. */
  bufferLines: 20_000,
  bufferBytes: 16 * MIB,
  /** A batch over the bus. */
  batchLines: 1_000,
  batchDelayMs: 20,
  /** Lines kept per handler before retention removes the oldest. */
  retainedLines: 100_000,
} as const;

export const kvLimits = {
  /** Bytes of a key. */
  keyBytes: 1024,
  /** Bytes of a value: it travels between runner and control in one message. */
  valueBytes: MIB,
  /** Keys of one handler, all buckets together. */
  keys: 100_000,
  /** Bytes of all values of one handler. */
  handlerBytes: 256 * MIB,
  /** Keys of one page of a listing. */
  keysPerPage: 256,
} as const;

export const queueLimits = {
  /** Bytes of a message: it travels between runner and control in one piece. */
  messageBytes: MIB,
  /** Queues of one user; a first message makes its queue. */
  queues: 1_000,
  /** Messages of one user, all queues and states together; their bytes count in the quota. */
  messages: 1_000_000,
  /** Messages that are published in one transaction. */
  batch: 1_000,
  /** Characters of a deduplication key and of a group key. */
  keyChars: 128,
  /** Milliseconds that a deduplication key is remembered. */
  keyMs: 24 * 60 * 60_000,
  /** Milliseconds that a message may be delayed. */
  delayMs: 30 * 24 * 60 * 60_000,
  /** Messages that have been dealt with are kept to be looked at: so many of each queue, for so long. */
  doneMessages: 1_000,
  doneMs: 24 * 60 * 60_000,
  /** Characters of the reason for which a message failed. */
  reasonChars: 500,
} as const;

/** Of calls that the platform makes for itself: ticks of schedules and asynchronous HTTP requests. */
export const callLimits = {
  /** Schedules of one Deployment. */
  schedules: 16,
  /** Missed ticks of one schedule that are run late. */
  catchUp: 100,
  /** Bytes of a schedule's body; it stands in the manifest. */
  scheduleBodyBytes: 16 * KIB,
  /** Milliseconds between two ticks of `every`. */
  everyMs: { least: 1_000, most: 366 * 24 * 60 * 60_000 },
  /** Bytes of the body of an asynchronous request: it travels between runner and control in one message. */
  bodyBytes: MIB,
  /** Bytes that a stored request counts in the quota besides its body. */
  requestBytes: 2 * KIB,
  /** Bytes of an answer that are kept; a larger answer fails the call. */
  answerBytes: MIB,
  /** Asynchronous requests of one handler that wait or run; past them callers are told 503. */
  waiting: 1_000,
  /** Milliseconds after its end that an asynchronous call can be read. */
  keptMs: 24 * 60 * 60_000,
  /** Milliseconds that a call waits for a function that cannot be called. */
  patienceMs: 24 * 60 * 60_000,
  /** Ended runs that are kept of each schedule. */
  keptRuns: 50,
  /** Calls of one handler that one control makes at the same time. */
  concurrency: 16,
  /** Deliveries of a call whose runner or control ended meanwhile. */
  interrupted: 3,
  /** The most that TRISIEL_RETRY may ask for. */
  attempts: 100,
  /** Characters of the reason for which a call failed. */
  reasonChars: 500,
} as const;

export const nameLimits = { handlerChars: 40, userChars: 32 } as const;
