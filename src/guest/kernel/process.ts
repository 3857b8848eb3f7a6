/**
 * One Invocation in the kernel: what its guest has open, may use and has used, and how it ended. Every ABI calls it
 * `guest`.
 *
 *     ready --run--> running <--call that waits--> suspended
 *                       |                              |
 *                       +--------> ended <-------------+
 *            exit | returned | trap | policy | gas | deadline | aborted
 *
 * A Process ends once: later ends are ignored. Host calls of an ended Process do nothing and throw.
 */
import { messageOf } from '../../protocol/errors.ts';
import { type Limits, logLimits, MIB } from '../../protocol/limits.ts';
import { type LogLevelName, type LogStream, logLevels, type PendingLogLine } from '../../protocol/nouns.ts';
import { ByteBudget } from '../../waiting/byte-budget.ts';
import { ComponentState } from './canonical/state.ts';
import { DescriptorTable } from './descriptors.ts';
import type { FileSystem } from './fs/file-system.ts';
import type { IncomingHttp } from './incoming-http.ts';
import { longestPiece, splitLine } from './log-pieces.ts';
import { GuestMemory, type GuestText } from './memory.ts';
import type { GasMeter } from './meter.ts';
import type { CompiledPolicy } from './policy.ts';
import { type ProcessEnd, ProcessEnded } from './process-end.ts';
import type { ProcessTrace } from './process-trace.ts';
import type { MaybePromise, OpenFlags, Resource } from './resource.ts';
import { encodeTexts, environmentTexts, type TextList } from './text-list.ts';

/** Takes the log lines of a Process. The runner adds handler, deployment and invocation. */
export interface ProcessLog {
  line(line: Pick<PendingLogLine, 'seq' | 'timeMs' | 'gas' | 'stream' | 'level' | 'text'>): void;
}

export interface Clock {
  /** Returns Unix milliseconds, for guests and log lines. */
  wallMs(): number;
  /** Returns the nanoseconds of a clock that never goes back. */
  monotonicNs(): bigint;
}

/** The durable key-value store of the handler; control serves it. */
export interface KvService {
  /** Returns the value as it was put; null: there is none. */
  get(bucket: string, key: string): Promise<Uint8Array | null>;
  /** Stores a value. Rejects with a PlatformError: `limit_exceeded` above kvLimits. */
  put(bucket: string, key: string, value: Uint8Array): Promise<void>;
  /** Replaces the value if it equals `expected` (null: there is none). Returns whether it did. */
  replace(bucket: string, key: string, value: Uint8Array, expected: Uint8Array | null): Promise<boolean>;
  /** Removes a value. A missing value is no error. */
  delete(bucket: string, key: string): Promise<void>;
  /** Returns up to kvLimits.keysPerPage keys after `after`, in order; '' starts at the first key. */
  keys(bucket: string, after: string): Promise<readonly string[]>;
}

export interface QueueService {
  publish(queue: string, message: Uint8Array): Promise<void>;
}

/** Identifies the Invocation; `meta:` shows it to the guest. */
export interface Identity {
  readonly handler: string;
  readonly deployment: number;
  readonly commit: string;
  readonly invocation: string;
}

/**
 * Opens Resources by URL. One file of src/guest/kernel/resources holds each scheme. The type is declared here because
 * Process and Scheme name each other.
 */
export interface Scheme {
  /** Names in lower case, without the colon, aliases included. */
  readonly names: readonly string[];
  /**
   * Returns a new Resource, or a negative Errno. `url` is as the guest wrote it; openUrl has found its scheme and
   * checked the policy.
   */
  open(url: string, guest: Process, flags: OpenFlags): MaybePromise<Resource | number>;
}

/** The schemes that a Process may open. */
export interface SchemeTable {
  /** Returns the scheme called `name` (lower case, without the colon); undefined if there is none. */
  find(name: string): Scheme | undefined;
}

export interface ProcessOptions {
  readonly identity: Identity;
  /** Arguments, program name first. */
  readonly args: readonly GuestText[];
  readonly env: ReadonlyMap<string, GuestText>;
  readonly stdin: Resource;
  readonly stdout: Resource;
  readonly stderr: Resource;
  readonly limits: Limits;
  readonly policy: CompiledPolicy | null;
  readonly schemes: SchemeTable;
  readonly meter: GasMeter;
  readonly log: ProcessLog;
  readonly clock: Clock;
  /** Fills `into` with cryptographic random bytes. */
  readonly random: (into: Uint8Array) => void;
  /** Makes the file system of the Process, at its first use: most guests never open a file. */
  readonly files: () => FileSystem;
  readonly kv: KvService | null;
  readonly queues: QueueService | null;
  /** Request that the Process answers through wasi:http; absent if it answers through stdout or has no request. */
  readonly http?: IncomingHttp | undefined;
  /** Trace of its Invocation; absent: it is not traced. */
  readonly trace?: ProcessTrace | undefined;
  /** Called when a system call makes the guest wait, but not when the guest waits for its turn to compute. */
  readonly suspending?: () => void;
  /**
   * Called before an entry of the guest runs, and when a wait of it has ended. From then on the thread is the guest's.
   */
  readonly resumed?: () => void;
}

/**
 * Host work, in bytes moved, after which a guest gives up its turn. System calls cost almost no gas: without this count
 * a loop of them would hold the thread far longer than a slice (5 M gas are 500,000 calls). Gas does not change: it
 * stays the count of instructions.
 */
const hostWorkPerTurn = 4 * MIB;

export interface SchemeUsage {
  bytesIn: number;
  bytesOut: number;
}

/**
 * Most bytes that all Resources of a Process keep outside of the guest's memory (uncommitted values). Each Resource has
 * a limit of its own, but 1,024 descriptors with a value of 1 MiB each would be 1 GiB that no memory limit counts.
 */
const heldBytesMax = 16 * MIB;

const noMemory = new GuestMemory(null);

/**
 * Reason of every aborted signal, as AbortController makes it by default. Making one for each Process took 6 % of the
 * processor time of a call that waits: an error notes the stack.
 */
const hasEnded = new DOMException('This operation was aborted', 'AbortError');

export class Process {
  readonly options: ProcessOptions;
  readonly meter: GasMeter;
  readonly descriptors = new DescriptorTable();
  /** Budget of bytes that the Resources of this Process keep for it. */
  readonly held = new ByteBudget(heldBytesMax);
  /** Memory of the guest, set by the instance in which the Process runs. */
  memory: GuestMemory = noMemory;
  end: ProcessEnd | null = null;
  /**
   * Functions of the guest that were running when it was unwound, the innermost first; empty: it was not, or nobody
   * knows.
   */
  stack: readonly string[] = [];
  /** Number of system calls, by the index of the import. The InstancePlan has the names. */
  counts: Uint32Array | null = null;
  waitsMs: Float64Array | null = null;
  /** Number of lines, those that are left out included. */
  logLines = 0;
  /** Bytes of host work since the slice was last ended for it. */
  #hostWork = 0;
  /** Lines left out that the log has not been told of. */
  #logLeftOut = 0;
  #files: FileSystem | null = null;
  #args: TextList | null = null;
  #environ: TextList | null = null;
  #component: ComponentState | null = null;
  #io: Map<string, SchemeUsage> | null = null;
  /** Rejects the wait of the guest; null: it does not wait. */
  #rejectWait: ((reason: Error) => void) | null = null;
  /** Reject further waits, of other stacks of the guest (runTask). */
  #rejectOthers: Set<(reason: Error) => void> | null = null;
  #abort: AbortController | null = null;
  #atEnd: Set<() => void> | null = null;

  /**
   * Runs the task entry (InstancePlan.taskEntry) on a stack of its own, beside those that run. Resolves when it has
   * ended, however that was. Set by the instance in which the Process runs.
   */
  runTask: () => Promise<void> = () => Promise.reject(new Error('the Process runs in no instance'));

  constructor(options: ProcessOptions) {
    this.options = options;
    this.meter = options.meter;
  }

  get files(): FileSystem {
    this.#files ??= this.options.files();
    return this.#files;
  }

  /** Handles and pending results of a component. Made at the first use, since other guests have none. */
  get component(): ComponentState {
    this.#component ??= new ComponentState();
    return this.#component;
  }

  /** Arguments, program name first. Encoded at the first use, since WASI asks for their sizes and then for them. */
  get args(): TextList {
    this.#args ??= encodeTexts(this.options.args);
    return this.#args;
  }

  /** Environment as `KEY=value`, encoded at the first use. */
  get environ(): TextList {
    this.#environ ??= encodeTexts(environmentTexts(this.options.env));
    return this.#environ;
  }

  get filesOpened(): FileSystem | null {
    return this.#files;
  }

  /**
   * Signal that is aborted when the Process ends, for connections beside the guest. A timer takes `atEnd`, which costs
   * a tenth of making, hearing and aborting a signal.
   */
  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.end !== null) this.#abort.abort(hasEnded);
    return this.#abort.signal;
  }

  /**
   * Calls `callback` once when the Process ends, or at once if it has ended. Returns a function that takes the callback
   * back. The callback must not throw.
   */
  atEnd(callback: () => void): () => void {
    if (this.end !== null) {
      callback();
      return () => {};
    }
    this.#atEnd ??= new Set();
    const callbacks = this.#atEnd;
    callbacks.add(callback);
    return () => callbacks.delete(callback);
  }

  get isSuspended(): boolean {
    return this.#rejectWait !== null;
  }

  /**
   * Ends the Process, from inside or outside. Does nothing if it has ended already. A guest that waits is unwound at
   * once; a guest that computes is stopped at its next check.
   */
  kill(end: ProcessEnd): void {
    if (this.end !== null) return;
    this.end = end;
    this.#signalEnd();
    this.unwind();
  }

  /** Unwinds what still runs or waits of a Process that has ended. */
  unwind(): void {
    if (this.end === null) throw new Error('a Process is unwound that has not ended');
    this.meter.endSlice();
    const reject = this.#rejectWait;
    const others = this.#rejectOthers;
    this.#rejectWait = null;
    this.#rejectOthers = null;
    reject?.(new ProcessEnded(this.end.kind));
    if (others !== null) for (const one of others) one(new ProcessEnded(this.end.kind));
  }

  /** Ends the Process and throws ProcessEnded, which unwinds the guest: for host calls that never return. */
  endNow(end: ProcessEnd): never {
    this.kill(end);
    throw new ProcessEnded(end.kind);
  }

  /** Waits for `promise` on behalf of the guest. Rejects with ProcessEnded if the Process ends first. */
  wait<T>(promise: Promise<T>): Promise<T> {
    if (this.end !== null) {
      // The call itself may have ended the Process (a policy violation): no code looks at its rejection then.
      promise.catch(() => undefined);
      return Promise.reject(new ProcessEnded(this.end.kind));
    }
    return new Promise<T>((resolve, reject) => {
      if (this.#rejectWait === null) this.#rejectWait = reject;
      else {
        this.#rejectOthers ??= new Set();
        this.#rejectOthers.add(reject);
      }
      promise.then(
        (value) => {
          if (this.end !== null) return;
          this.#waited(reject);
          resolve(value);
        },
        (error: unknown) => {
          if (this.end !== null) return;
          this.#waited(reject);
          reject(error);
        },
      );
    });
  }

  #waited(reject: (reason: Error) => void): void {
    if (this.#rejectWait === reject) this.#rejectWait = null;
    else this.#rejectOthers?.delete(reject);
    this.options.resumed?.();
  }

  /**
   * Writes `text` as one LogLine, or as several if it is longer than a line may be. Of the lines beyond
   * logLimits.linesPerInvocation a sample is written, the others are counted.
   */
  log(level: number, stream: LogStream, text: string): void {
    this.work(text.length);
    if (text.length > longestPiece) {
      for (const piece of splitLine(text)) this.#logOne(level, stream, piece);
    } else this.#logOne(level, stream, text);
  }

  /** Writes a LogLine of the platform about this Invocation. */
  report(level: LogLevelName, text: string): void {
    this.log(logLevels[level], 'platform', text);
  }

  /**
   * Counts host work that costs no gas, in bytes moved. Beyond hostWorkPerTurn the guest's slice ends at its next
   * check.
   */
  work(bytes: number): void {
    this.#hostWork += bytes;
    if (this.#hostWork < hostWorkPerTurn) return;
    this.#hostWork = 0;
    this.meter.endSlice();
  }

  /** Adds bytes that the guest has read and written through `scheme`, and counts them as host work. */
  account(scheme: string, bytesIn: number, bytesOut: number): void {
    this.work(bytesIn + bytesOut);
    this.#io ??= new Map();
    const usage = this.#io.get(scheme);
    if (usage === undefined) this.#io.set(scheme, { bytesIn, bytesOut });
    else {
      usage.bytesIn += bytesIn;
      usage.bytesOut += bytesOut;
    }
  }

  get io(): ReadonlyMap<string, SchemeUsage> {
    return this.#io ?? new Map();
  }

  /**
   * Closes every open Resource and releases every handle, all at the same time: a Resource that waits for its peer
   * keeps no other one open. Returns undefined if all have closed at once. Logs a close that fails and never throws.
   * The caller decides how long to wait.
   */
  closeAll(): MaybePromise<void> {
    const closing: Promise<unknown>[] = [];
    const close = (what: string, held: { close?(): unknown }): void => {
      try {
        const result = held.close?.();
        if (result instanceof Promise) closing.push(result.catch((error: unknown) => this.#closeFailed(what, error)));
      } catch (error) {
        this.#closeFailed(what, error);
      }
    };
    for (const resource of this.descriptors.drain()) close(`${resource.scheme}:`, resource);
    if (this.#component !== null)
      for (const held of this.#component.handles.drain()) close('a resource of the component', held);
    if (closing.length === 0) this.#letGo();
    else return Promise.all(closing).then(() => this.#letGo());
  }

  #closeFailed(what: string, error: unknown): void {
    this.report('error', `closing ${what} failed: ${messageOf(error)}`);
  }

  /**
   * Logs the number of dropped lines, signals the end and releases the files. Runs after all Resources have closed.
   */
  #letGo(): void {
    if (this.#logLeftOut > 0) {
      const text = `this invocation wrote ${this.logLines} log lines, of which ${this.#logLeftOut} are left out`;
      this.#logLeftOut = 0;
      this.#write(logLevels.warning, 'platform', text);
    }
    this.#signalEnd();
    this.#files?.release();
  }

  #signalEnd(): void {
    this.#abort?.abort(hasEnded);
    const callbacks = this.#atEnd;
    this.#atEnd = null;
    if (callbacks !== null) for (const callback of callbacks) callback();
  }

  #logOne(level: number, stream: LogStream, text: string): void {
    if (this.logLines === logLimits.linesPerInvocation) {
      const limit = `this invocation has written ${logLimits.linesPerInvocation} log lines`;
      this.#write(logLevels.warning, 'platform', `${limit}; a sample of the rest follows, with their count at its end`);
    }
    if (isKept(this.logLines + 1)) {
      this.#write(level, stream, text);
      return;
    }
    this.logLines += 1;
    this.#logLeftOut += 1;
  }

  #write(level: number, stream: LogStream, text: string): void {
    this.logLines += 1;
    this.options.log.line({
      seq: this.logLines,
      timeMs: this.options.clock.wallMs(),
      gas: this.meter.used,
      stream,
      level,
      text,
    });
  }
}

/**
 * Returns whether line `number` (from 1) of an Invocation is kept: all up to logLimits.linesPerInvocation, then every
 * hundredth, from ten times that number on every thousandth, and so on. So each power of ten adds at most 900 lines.
 */
function isKept(number: number): boolean {
  const most = logLimits.linesPerInvocation;
  if (number <= most) return true;
  const every = 100 * 10 ** Math.floor(Math.log10(number / most));
  return number % every === 0;
}
