/**
 * Compiled code of a runner, within a budget. V8 aborts the process when committed code exceeds its own limit, so code
 * that has been unused for the longest time is dropped and compiled again when it is called.
 *
 * cold --load--> loading --> warm --room is needed, no Invocation runs in it--> cold
 * |
 * +--> the engine refuses it: the error stays, nothing is tried again
 */
import { setTimeout as pause } from 'node:timers/promises';
import { PlatformError } from '../protocol/errors.ts';
import { KeyedMutex } from '../waiting/keyed-mutex.ts';
import { Semaphore } from '../waiting/semaphore.ts';
import { codeLimits } from './limits.ts';

/** A Deployment that uses the code of an Artifact. */
export interface CodeUse {
  /** Whether an Invocation runs in it, so that it cannot be dropped. */
  readonly isBusy: boolean;
  /** Number that grows with each call: code with the smallest one is dropped first. */
  readonly lastCall: number;
  /** Releases every instance and the module. */
  drop(): void;
}

export interface CodeStoreOptions {
  /** Fetches the bytes of an Artifact from control. */
  readonly read: (name: string) => Promise<Uint8Array>;
  /** Bytes of machine code that may be held, codeLimits.bytes by default. */
  readonly budgetBytes?: number;
  /** Collects garbage now: V8 frees dropped code only when a collection sees that no reference is left. */
  readonly collect: () => void;
  /** Resolves after `waitMs` milliseconds; by default a timer. */
  readonly pause?: (waitMs: number) => Promise<unknown>;
}

interface Code {
  readonly name: string;
  readonly ownerId: string;
  /** Bytes of machine code, as measured at the push. */
  readonly codeBytes: number;
  readonly uses: Set<CodeUse>;
  loading: Promise<WebAssembly.Module> | null;
  module: WebAssembly.Module | null;
  /** Whether its machine code counts in the budget. */
  isHeld: boolean;
  refusal: Error | null;
}

export class CodeStore {
  readonly #options: CodeStoreOptions;
  readonly #budgetBytes: number;
  /** Code by Artifact name. */
  readonly #codes = new Map<string, Code>();
  readonly #turns = new Semaphore({
    running: codeLimits.loading,
    waiting: codeLimits.waiting,
    full: () => overloaded('Too many functions are being loaded.'),
  });
  /** Loads that drop other code: one at a time of each owner. */
  readonly #displacing = new KeyedMutex();
  /** Time at which an owner's next load may drop other code, on the clock of performance.now, by owner. */
  readonly #restsUntilMs = new Map<string, number>();
  /** Bytes of machine code, of warm and loading code together. */
  #heldBytes = 0;
  #droppedBytes = 0;
  /** Whether a collection waits for its time. */
  #isCollectionDue = false;

  constructor(options: CodeStoreOptions) {
    this.#options = options;
    this.#budgetBytes = options.budgetBytes ?? codeLimits.bytes;
  }

  /** Size of the machine code that is held or being made, in bytes. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Registers `use` of an Artifact, which is cold if it is new. */
  join(artifact: { readonly name: string; readonly ownerId: string; readonly codeBytes: number }, use: CodeUse): void {
    const { name, ownerId, codeBytes } = artifact;
    let code = this.#codes.get(name);
    if (code === undefined) {
      const state = { loading: null, module: null, isHeld: false, refusal: null };
      code = { name, ownerId, codeBytes, uses: new Set(), ...state };
      this.#codes.set(name, code);
    }
    code.uses.add(use);
  }

  /** Ends a use; code without uses is removed. */
  leave(name: string, use: CodeUse): void {
    const code = this.#codes.get(name);
    if (code === undefined) return;
    code.uses.delete(use);
    if (code.uses.size > 0) return;
    this.#codes.delete(name);
    code.module = null;
    // Code that is loading is released when the load has ended.
    if (code.loading === null) this.#release(code);
  }

  /** Returns whether `name` can be loaded without dropping other code. */
  hasRoomFor(name: string): boolean {
    const code = this.#codes.get(name);
    return code !== undefined && this.#beyondBudget(code) <= 0;
  }

  /**
   * Returns the compiled module; if it is cold, makes room and compiles it. Throws `overloaded` when no room can be
   * made or too many wait, `unavailable` when control cannot be asked for the bytes, and, now and at every later call,
   * the error of the engine or of control for an Artifact that cannot be compiled.
   */
  async load(name: string): Promise<WebAssembly.Module> {
    const code = this.#codes.get(name);
    if (code === undefined) throw new Error(`no Deployment has the Artifact ${name}`);
    if (code.module !== null) return code.module;
    if (code.refusal !== null) throw code.refusal;
    code.loading ??= this.#inTurn(code).finally(() => {
      code.loading = null;
    });
    return code.loading;
  }

  /** Returns why this Artifact can never be run here; null: no reason is known. */
  refusalOf(name: string): Error | null {
    return this.#codes.get(name)?.refusal ?? null;
  }

  /**
   * Compiles `code` when its turn comes. A load that drops other code waits for the owner's rest after the one before:
   * an owner who calls more code in turn than there is room for would else keep every core compiling. The requests that
   * wait are bounded by codeLimits.requests.
   */
  #inTurn(code: Code): Promise<WebAssembly.Module> {
    if (!this.#displaces(code)) return this.#turns.run(() => this.#compile(code));
    const { ownerId } = code;
    return this.#displacing.run(ownerId, async () => {
      const waitMs = (this.#restsUntilMs.get(ownerId) ?? 0) - performance.now();
      if (waitMs > 0) await (this.#options.pause ?? pause)(waitMs);
      return this.#turns.run(() => this.#compileThenRest(code));
    });
  }

  async #compileThenRest(code: Code): Promise<WebAssembly.Module> {
    const startMs = performance.now();
    try {
      return await this.#compile(code);
    } finally {
      const endMs = performance.now();
      for (const [ownerId, untilMs] of this.#restsUntilMs) if (untilMs <= endMs) this.#restsUntilMs.delete(ownerId);
      const restMs = Math.min((endMs - startMs) * codeLimits.restFactor, codeLimits.restMs);
      this.#restsUntilMs.set(code.ownerId, endMs + restMs);
    }
  }

  /** Returns whether loading `code` drops other code: the owner's share or the whole budget has no room for it. */
  #displaces(code: Code): boolean {
    return this.#beyondShare(code) > 0 || this.#beyondBudget(code) > 0;
  }

  /** Returns the bytes by which the owner would exceed the share with `code`; 0 or less: it has room. */
  #beyondShare(code: Code): number {
    return this.#heldBy(code.ownerId) + code.codeBytes - this.#budgetBytes * codeLimits.shareOfOwner;
  }

  /** Returns the bytes by which the budget would be exceeded with `code`; 0 or less: it has room. */
  #beyondBudget(code: Code): number {
    return this.#heldBytes + code.codeBytes - this.#budgetBytes;
  }

  async #compile(code: Code): Promise<WebAssembly.Module> {
    this.#makeRoom(code);
    this.#heldBytes += code.codeBytes;
    code.isHeld = true;
    try {
      // The engine copies the bytes. They are in no SharedArrayBuffer.
      const module = await WebAssembly.compile((await this.#options.read(code.name)) as Uint8Array<ArrayBuffer>);
      // All users may have left meanwhile.
      if (this.#codes.get(code.name) === code) code.module = module;
      else this.#release(code);
      return module;
    } catch (error) {
      this.#release(code);
      if (isFinal(error)) code.refusal = error;
      throw error;
    }
  }

  /** Drops code until `code` fits: the owner's own, if the owner has more than a share, else any owner's. */
  #makeRoom(code: Code): void {
    const ownBytes = this.#beyondShare(code);
    if (ownBytes > 0) this.#drop((other) => other.ownerId === code.ownerId, ownBytes);
    const allBytes = this.#beyondBudget(code);
    if (allBytes > 0) this.#drop(() => true, allBytes);
    // Code that is alone may exceed the share and the budget: it was accepted when it was pushed.
    if (this.#heldBytes > 0 && this.#beyondBudget(code) > 0)
      throw overloaded('No room is left for the code of another function.');
  }

  #heldBy(ownerId: string): number {
    let bytes = 0;
    for (const code of this.#codes.values()) if (code.ownerId === ownerId && code.isHeld) bytes += code.codeBytes;
    return bytes;
  }

  /** Drops at least `bytes` of idle code that `may` accepts, if there is as much; least recently called first. */
  #drop(may: (code: Code) => boolean, bytes: number): void {
    const idle = [...this.#codes.values()].filter(
      (code) => code.module !== null && may(code) && ![...code.uses].some(({ isBusy }) => isBusy),
    );
    const lastCall = ({ uses }: Code): number => Math.max(...[...uses].map((use) => use.lastCall));
    idle.sort((a, b) => lastCall(a) - lastCall(b));
    let left = bytes;
    for (const code of idle) {
      if (left <= 0) return;
      code.module = null;
      for (const use of code.uses) use.drop();
      this.#release(code);
      left -= code.codeBytes;
    }
  }

  #release(code: Code): void {
    if (!code.isHeld) return;
    code.isHeld = false;
    this.#heldBytes -= code.codeBytes;
    this.#droppedBytes += code.codeBytes;
    if (this.#droppedBytes >= codeLimits.collectNowBytes) this.#collect();
    else if (this.#droppedBytes >= codeLimits.collectBytes && !this.#isCollectionDue) {
      this.#isCollectionDue = true;
      void (this.#options.pause ?? pause)(codeLimits.collectAfterMs).then(() => {
        this.#isCollectionDue = false;
        if (this.#droppedBytes >= codeLimits.collectBytes) this.#collect();
      });
    }
  }

  #collect(): void {
    this.#droppedBytes = 0;
    this.#options.collect();
  }
}

/** Returns whether another attempt would fail too: the engine refuses the module, or control has no such Artifact. */
function isFinal(error: unknown): error is Error {
  return error instanceof WebAssembly.CompileError || (error instanceof PlatformError && error.code === 'not_found');
}

function overloaded(message: string): PlatformError {
  return new PlatformError('overloaded', message, { retryAfterSeconds: 1 });
}
