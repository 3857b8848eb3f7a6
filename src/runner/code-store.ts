/**
 * Compiled code of a runner, under a budget. V8 aborts the process when committed code passes its own limit, so code
 * that has not been used for the longest time is dropped and compiled again when it is called.
 *
 *     cold --load--> loading --> warm --room is needed, no Invocation runs in it--> cold
 *                       |
 *                       +--> the engine refuses it: the error stays, nothing is tried again
 */
import { PlatformError } from '../protocol/errors.ts';
import { Semaphore } from '../waiting/semaphore.ts';
import { codeLimits } from './limits.ts';

/** A Deployment that has the code of an Artifact, as the store sees it. */
export interface CodeUse {
  /** True while an Invocation runs in it: it may not be dropped then. */
  readonly isBusy: boolean;
  /** Grows with each call: code that was called longest ago is dropped first. */
  readonly lastCall: number;
  /** Lets go of every instance and of the module. */
  drop(): void;
}

export interface CodeStoreOptions {
  /** Fetches the bytes of an Artifact from control. */
  readonly read: (name: string) => Promise<Uint8Array>;
  /** Machine code that may be held, in bytes. Default: codeLimits.bytes. */
  readonly budgetBytes?: number;
  /** Collects garbage now: dropped code is freed with its last reference, whenever that is seen. */
  readonly collect: () => void;
}

interface Code {
  readonly name: string;
  readonly ownerId: string;
  /** Machine code, as measured when it was pushed. */
  readonly codeBytes: number;
  readonly uses: Set<CodeUse>;
  /** Bytes that were sent ahead of the first load. */
  bytes: Uint8Array | null;
  loading: Promise<WebAssembly.Module> | null;
  module: WebAssembly.Module | null;
  /** True while its bytes of machine code count in the budget. */
  isHeld: boolean;
  refusal: Error | null;
}

export class CodeStore {
  readonly #options: CodeStoreOptions;
  readonly #budgetBytes: number;
  /** By Artifact name. */
  readonly #codes = new Map<string, Code>();
  /** Bytes that have been sent and belong to no Deployment yet. */
  readonly #sent = new Map<string, Uint8Array>();
  readonly #turns = new Semaphore({
    running: codeLimits.loading,
    waiting: codeLimits.waiting,
    full: () => overloaded('Too many functions are being loaded.'),
  });
  /** Warm and loading code. */
  #heldBytes = 0;
  #droppedBytes = 0;

  constructor(options: CodeStoreOptions) {
    this.#options = options;
    this.#budgetBytes = options.budgetBytes ?? codeLimits.bytes;
  }

  /** Size of the machine code that is held or being made, in bytes. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Keeps the bytes until the first `load` of that Artifact. */
  sent(name: string, bytes: Uint8Array): void {
    const code = this.#codes.get(name);
    if (code === undefined) this.#sent.set(name, bytes);
    else if (code.module === null && code.loading === null) code.bytes = bytes;
  }

  /** Registers `use` of an Artifact, cold where it is new. */
  join(artifact: { readonly name: string; readonly ownerId: string; readonly codeBytes: number }, use: CodeUse): void {
    const { name, ownerId, codeBytes } = artifact;
    let code = this.#codes.get(name);
    if (code === undefined) {
      const bytes = this.#sent.get(name) ?? null;
      this.#sent.delete(name);
      const state = { bytes, loading: null, module: null, isHeld: false, refusal: null };
      code = { name, ownerId, codeBytes, uses: new Set(), ...state };
      this.#codes.set(name, code);
    }
    code.uses.add(use);
  }

  /** Ends a use; code that nobody uses is forgotten. */
  leave(name: string, use: CodeUse): void {
    const code = this.#codes.get(name);
    if (code === undefined) return;
    code.uses.delete(use);
    if (code.uses.size > 0) return;
    this.#codes.delete(name);
    code.module = null;
    // Code that is being made is released when it is done.
    if (code.loading === null) this.#release(code);
  }

  /** Returns whether `name` can be loaded without dropping anything. */
  hasRoomFor(name: string): boolean {
    const code = this.#codes.get(name);
    return code !== undefined && this.#heldBytes + code.codeBytes <= this.#budgetBytes;
  }

  /**
   * Returns the compiled module; makes room for it and compiles it where it is cold. Throws `overloaded` where no
   * room can be made or too many wait, `unavailable` where control cannot be asked for its bytes, and what the engine
   * or control says of an Artifact that cannot be compiled, now and at every later call.
   */
  async load(name: string): Promise<WebAssembly.Module> {
    const code = this.#codes.get(name);
    if (code === undefined) throw new Error(`no Deployment has the Artifact ${name}`);
    if (code.module !== null) return code.module;
    if (code.refusal !== null) throw code.refusal;
    code.loading ??= this.#turns
      .run(() => this.#compile(code))
      .finally(() => {
        code.loading = null;
      });
    return code.loading;
  }

  /** Returns why this Artifact can never be run here; null as long as that is not known. */
  refusalOf(name: string): Error | null {
    return this.#codes.get(name)?.refusal ?? null;
  }

  async #compile(code: Code): Promise<WebAssembly.Module> {
    this.#makeRoom(code);
    this.#heldBytes += code.codeBytes;
    code.isHeld = true;
    try {
      const bytes = code.bytes ?? (await this.#options.read(code.name));
      code.bytes = null;
      // A copy of its own: a view of a larger buffer would keep that alive, and TypeScript wants an ArrayBuffer.
      const module = await WebAssembly.compile(new Uint8Array(bytes));
      // Everybody who wanted it may have gone meanwhile.
      if (this.#codes.get(code.name) === code) code.module = module;
      else this.#release(code);
      return module;
    } catch (error) {
      this.#release(code);
      if (isFinal(error)) code.refusal = error;
      throw error;
    }
  }

  /** Drops code until `code` fits: of its owner's, where that owner has more than a share, else of any owner. */
  #makeRoom(code: Code): void {
    const shareBytes = this.#budgetBytes * codeLimits.shareOfOwner;
    if (this.#heldBy(code.ownerId) + code.codeBytes > shareBytes)
      this.#drop((other) => other.ownerId === code.ownerId, this.#heldBy(code.ownerId) + code.codeBytes - shareBytes);
    if (this.#heldBytes + code.codeBytes > this.#budgetBytes)
      this.#drop(() => true, this.#heldBytes + code.codeBytes - this.#budgetBytes);
    // One alone may be larger than a share, and than the budget: it was accepted when it was pushed.
    if (this.#heldBytes > 0 && this.#heldBytes + code.codeBytes > this.#budgetBytes)
      throw overloaded('No room is left for the code of another function.');
  }

  #heldBy(ownerId: string): number {
    let bytes = 0;
    for (const code of this.#codes.values()) if (code.ownerId === ownerId && code.isHeld) bytes += code.codeBytes;
    return bytes;
  }

  /** Drops at least `bytes` of idle code for which `may` holds, called longest ago first, as far as there is any. */
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
    if (this.#droppedBytes < codeLimits.collectBytes) return;
    this.#droppedBytes = 0;
    this.#options.collect();
  }
}

/** Returns whether another try finds the same: the engine refuses the module, or control has no such Artifact. */
function isFinal(error: unknown): error is Error {
  return error instanceof WebAssembly.CompileError || (error instanceof PlatformError && error.code === 'not_found');
}

function overloaded(message: string): PlatformError {
  return new PlatformError('overloaded', message, { retryAfterSeconds: 1 });
}
