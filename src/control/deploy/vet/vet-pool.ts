/**
 * Checks modules in vet children: one process per module, killed after use, watched from outside for memory and time,
 * so that a module that blows up the compiler kills its child and nothing else. One child is kept started and warm, so
 * that a push does not wait for a process to start.
 */
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Semaphore } from '../../../waiting/semaphore.ts';
import { forModule, type VetLimits, vetLimits } from './limits.ts';
import type { ToVet, Vetted } from './messages.ts';
import { interrupted, tooManyWaiting } from './refusals.ts';
import { VetChild } from './vet-child.ts';

export interface VetPoolOptions {
  /** Values that replace those of `vetLimits`. */
  readonly limits?: Partial<VetLimits>;
  /**
   * Folder in which children keep the compiled form of the platform's own source (Node's compile cache), created with
   * mode 0700: a child is ready three times as fast. null: no cache.
   */
  readonly cacheFolder: string | null;
  /** Program used instead of src/bin/vet.ts, in tests of misbehaving children. */
  readonly program?: string;
}

/**
 * Milliseconds before the next child is started, so that it does not compete with the last steps of the push just
 * served.
 */
const refillMs = 100;

const vetProgram = fileURLToPath(new URL('../../../bin/vet.ts', import.meta.url));

export class VetPool {
  readonly #limits: VetLimits;
  readonly #program: string;
  readonly #cacheFolder: string | null;
  readonly #turns: Semaphore;
  readonly #busy = new Set<VetChild>();
  #spare: VetChild | null = null;
  #hasStarted = false;
  #closed = false;

  constructor(options: VetPoolOptions) {
    this.#limits = { ...vetLimits, ...options.limits };
    this.#program = options.program ?? vetProgram;
    this.#cacheFolder = options.cacheFolder;
    this.#turns = new Semaphore({
      running: this.#limits.children,
      waiting: this.#limits.waiting,
      full: tooManyWaiting,
    });
    if (options.cacheFolder !== null) mkdirSync(options.cacheFolder, { recursive: true, mode: 0o700 });
    this.#refill();
  }

  /**
   * Checks and rewrites one module, after those that came before. Throws the child's finding (`module_invalid`,
   * `imports_unknown`, …), `vet_failed` when the child was killed or died, `overloaded` when too many pushes wait,
   * `bad_request` when `signal` aborts. `isInBackground`: the child has a low priority, and is not the one that is kept
   * for the next push.
   */
  vet(
    request: ToVet,
    signal: AbortSignal,
    { isInBackground = false }: { readonly isInBackground?: boolean } = {},
  ): Promise<Vetted> {
    return this.#turns.run(
      async () => {
        const child = (isInBackground ? null : this.#spare) ?? this.#start();
        if (isInBackground) child.lowerPriority();
        else this.#spare = null;
        this.#busy.add(child);
        try {
          return await child.run(request, forModule(this.#limits, request.bytes.length), signal);
        } finally {
          child.kill();
          this.#busy.delete(child);
          setTimeout(() => this.#refill(), refillMs).unref();
        }
      },
      { abort: { signal, error: interrupted } },
    );
  }

  /** Kills all children; running and waiting checks fail. No spare is started afterwards. */
  close(): void {
    this.#closed = true;
    this.#turns.refuseWaiting(interrupted());
    this.#spare?.kill();
    this.#spare = null;
    for (const child of this.#busy) child.kill();
  }

  #start(): VetChild {
    const fillsCache = !this.#hasStarted && this.#cacheFolder !== null;
    this.#hasStarted = true;
    return new VetChild({ program: this.#program, cacheFolder: this.#cacheFolder, fillsCache });
  }

  #refill(): void {
    if (this.#closed || this.#spare !== null) return;
    const child = this.#start();
    this.#spare = child;
    child.onGone(() => {
      // A spare that dies by itself is not replaced at once, since it would die again. The next push starts one.
      if (this.#spare === child) this.#spare = null;
    });
  }
}
