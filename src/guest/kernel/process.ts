/**
 * The kernel's side of one Invocation: what the guest has open, what it may use, what it has used,
 * and how it ended.
 *
 *     ready --run--> running <--call that waits--> suspended
 *                       |                              |
 *                       +--------> ended <-------------+
 *            exit | returned | trap | policy | gas | deadline | aborted
 *
 * A Process ends once; the first reason stays. Host calls of an ended Process do nothing and throw.
 */
import { type Limits, logLimits, MIB } from '../../protocol/limits.ts';
import { type LogLevelName, type LogStream, logLevels } from '../../protocol/nouns.ts';
import { ByteBudget } from '../../waiting/byte-budget.ts';
import { DescriptorTable } from './descriptors.ts';
import type { FileSystem } from './fs/file-system.ts';
import { GuestMemory, type GuestText } from './memory.ts';
import type { GasMeter } from './meter.ts';
import type { CompiledPolicy } from './policy.ts';
import type { MaybePromise, OpenFlags, Resource } from './resource.ts';

export type ProcessEnd =
  /** runtime_exit, proc_exit, or the entry point's return value. */
  | { readonly kind: 'exit'; readonly status: number }
  /** A wasm trap, a GuestFault, a Land error. */
  | { readonly kind: 'trap'; readonly message: string }
  | { readonly kind: 'policy'; readonly url: string; readonly rule: string }
  | { readonly kind: 'gas'; readonly used: number; readonly limit: number }
  | { readonly kind: 'deadline'; readonly timeoutMs: number }
  /** The client went away, or the runner is shutting down. */
  | { readonly kind: 'aborted'; readonly message: string }
  /** Our own mistake; the log has the cause. */
  | { readonly kind: 'internal'; readonly cause: unknown };

/** Thrown out of a host call to unwind the guest; never seen outside src/guest/kernel. */
export class ProcessEnded extends Error {
  override readonly name = 'ProcessEnded';
}

/** Where log lines go; the runner adds handler, deployment and invocation. */
export interface ProcessLog {
  line(line: {
    readonly seq: number;
    readonly timeMs: number;
    readonly gas: number;
    readonly stream: LogStream;
    readonly level: number;
    readonly text: string;
  }): void;
}

export interface Clock {
  /** Unix milliseconds, for what guests and log lines see. */
  wallMs(): number;
  /** Monotonic, nanoseconds. */
  monotonicNs(): bigint;
}

/** Durable key-value store of the handler, served by control. */
export interface KvService {
  get(bucket: string, key: string): Promise<Uint8Array | null>;
  put(bucket: string, key: string, value: Uint8Array): Promise<void>;
}

export interface QueueService {
  publish(queue: string, message: Uint8Array): Promise<void>;
}

/** What `meta:` tells. */
export interface Identity {
  readonly handler: string;
  readonly deployment: number;
  readonly commit: string;
  readonly invocation: string;
}

/**
 * Opens Resources by URL; one file per scheme in src/guest/kernel/resources. Declared here because each of
 * Process and Scheme names the other.
 */
export interface Scheme {
  /** Names in lower case, without the colon, aliases included. */
  readonly names: readonly string[];
  /** Returns a new Resource, or a negative Errno. `url` is as the guest wrote it; openUrl has found its scheme and checked its policy. */
  open(url: string, guest: Process, flags: OpenFlags): MaybePromise<Resource | number>;
}

/** The schemes that a Process may open. */
export interface SchemeTable {
  /** Returns the scheme called `name` (lower case, without the colon). */
  find(name: string): Scheme | undefined;
}

export interface ProcessOptions {
  readonly identity: Identity;
  /** argv, program name first. */
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
  /** Fills with cryptographic random bytes. */
  readonly random: (into: Uint8Array) => void;
  /** Made at the first use. */
  readonly files: () => FileSystem;
  readonly kv: KvService | null;
  readonly queues: QueueService | null;
  /** Called when a system call makes the guest wait; not when it waits for its turn to compute. */
  readonly suspending?: () => void;
  /** Called when the guest goes on after a wait: from here on the thread is its own. */
  readonly resumed?: () => void;
}

/**
 * Work of the host between two turns of the event loop, in bytes moved. System calls cost the guest
 * next to no gas, so without this count a loop of them would hold the thread far beyond a slice:
 * 5 M gas are 500,000 calls. Gas itself is not touched: it stays the count of instructions.
 */
const hostWorkPerTurn = 4 * MIB;
/** What a system call counts for, whatever it moves: about a microsecond. */
export const callWork = 1024;

export interface SchemeUsage {
  bytesIn: number;
  bytesOut: number;
}

/**
 * Bytes that all Resources of a Process keep outside of the guest's memory (values that are not committed yet). Each
 * Resource has its own limit; 1,024 descriptors with a value of 1 MiB each would be 1 GiB that no memory limit sees.
 */
const heldBytesMax = 16 * MIB;

const noMemory = new GuestMemory(null);

export class Process {
  readonly options: ProcessOptions;
  readonly meter: GasMeter;
  readonly descriptors = new DescriptorTable();
  /** Bytes that Resources keep for the guest. */
  readonly held = new ByteBudget(heldBytesMax);
  /** Set by the instance that runs this Process. */
  memory: GuestMemory = noMemory;
  end: ProcessEnd | null = null;
  /** System calls by the index of the import; names are in the InstancePlan. */
  counts: Uint32Array | null = null;
  waitsMs: Float64Array | null = null;
  logLines = 0;
  #hostWork = 0;
  #logDropped = 0;
  #files: FileSystem | null = null;
  #io: Map<string, SchemeUsage> | null = null;
  #rejectWait: ((reason: Error) => void) | null = null;
  #abort: AbortController | null = null;

  constructor(options: ProcessOptions) {
    this.options = options;
    this.meter = options.meter;
  }

  get files(): FileSystem {
    this.#files ??= this.options.files();
    return this.#files;
  }

  get filesOpened(): FileSystem | null {
    return this.#files;
  }

  /** Aborted when the Process ends; for what runs beside the guest (connections, timers). */
  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.end !== null) this.#abort.abort();
    return this.#abort.signal;
  }

  get isSuspended(): boolean {
    return this.#rejectWait !== null;
  }

  /** Ends the Process from outside or inside; the guest is unwound at once or at its next check. */
  kill(end: ProcessEnd): void {
    if (this.end !== null) return;
    this.end = end;
    this.meter.endSlice();
    this.#abort?.abort();
    const reject = this.#rejectWait;
    this.#rejectWait = null;
    reject?.(new ProcessEnded(end.kind));
  }

  /** For host calls that never return to the guest. */
  endNow(end: ProcessEnd): never {
    this.kill(end);
    throw new ProcessEnded(end.kind);
  }

  /** Waits for `promise` on behalf of the guest; rejects with ProcessEnded if the Process ends first. */
  wait<T>(promise: Promise<T>): Promise<T> {
    if (this.end !== null) {
      // The call itself may have ended the Process (a policy violation): its rejection is nobody's business any more.
      promise.catch(() => undefined);
      return Promise.reject(new ProcessEnded(this.end.kind));
    }
    return new Promise<T>((resolve, reject) => {
      this.#rejectWait = reject;
      promise.then(
        (value) => {
          if (this.end !== null) return;
          this.#rejectWait = null;
          this.options.resumed?.();
          resolve(value);
        },
        (error: unknown) => {
          if (this.end !== null) return;
          this.#rejectWait = null;
          this.options.resumed?.();
          reject(error);
        },
      );
    });
  }

  /** One LogLine. Past the limits of a line and of an Invocation text is cut, lines are counted. */
  log(level: number, stream: LogStream, text: string): void {
    this.work(text.length);
    if (this.logLines >= logLimits.linesPerInvocation) {
      this.#logDropped += 1;
      return;
    }
    this.logLines += 1;
    this.#write(
      level,
      stream,
      text.length > logLimits.lineBytes ? `${text.slice(0, logLimits.lineBytes)}… (cut)` : text,
    );
  }

  /** Writes one LogLine of the platform's own, about this Invocation. */
  report(level: LogLevelName, text: string): void {
    this.log(logLevels[level], 'platform', text);
  }

  /** Counts work done for the guest outside its gas; when it is much, the guest's slice ends at its next check. */
  work(bytes: number): void {
    this.#hostWork += bytes;
    if (this.#hostWork < hostWorkPerTurn) return;
    this.#hostWork = 0;
    this.meter.endSlice();
  }

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
   * Closes everything that is open, all at once: one that waits for its peer keeps no other one open.
   * Never throws; a close that fails is logged. How long to wait for it is the caller's decision.
   */
  async closeAll(): Promise<void> {
    const closing: Promise<void>[] = [];
    for (const resource of this.descriptors.drain()) {
      const failed = (error: unknown) =>
        this.report(
          'error',
          `closing ${resource.scheme}: failed: ${error instanceof Error ? error.message : String(error)}`,
        );
      try {
        const result = resource.close();
        if (typeof result !== 'number') closing.push(result.then(() => undefined, failed));
      } catch (error) {
        failed(error);
      }
    }
    if (closing.length > 0) await Promise.all(closing);
    if (this.#logDropped > 0) {
      this.#write(
        logLevels.warning,
        'platform',
        `${this.#logDropped} more log lines of this invocation were dropped (limit ${logLimits.linesPerInvocation})`,
      );
      this.#logDropped = 0;
    }
    this.#abort?.abort();
    this.#files?.release();
  }

  #write(level: number, stream: LogStream, text: string): void {
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
