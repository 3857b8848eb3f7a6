/**
 * Collects garbage after many wide instances. V8 copies a dropped instance and all of its export objects in each
 * collection of the young generation until a full collection: with 1,000 exports and instances made one after the
 * other, scavenges of 100 ms and more were measured. A guest that traps in each call causes that, and all functions of
 * the runner wait.
 */
import { collectGarbage } from './collect-garbage.ts';
import { instanceLimits } from './limits.ts';

export class InstanceGarbage {
  readonly #collect: () => void;
  /** Number of export objects of instances made since the last collection. */
  #objects = 0;
  /** Number of export objects of one instance, by module: counting them makes the engine build a list. */
  readonly #perInstance = new WeakMap<WebAssembly.Module, number>();

  /** `collect` collects all garbage at once. */
  constructor(collect: () => void) {
    this.#collect = collect;
  }

  /** Counts one instance of `module`; collects after enough wide ones. */
  made(module: WebAssembly.Module): void {
    let objects = this.#perInstance.get(module);
    if (objects === undefined) {
      objects = WebAssembly.Module.exports(module).length;
      this.#perInstance.set(module, objects);
    }
    if (objects < instanceLimits.wideExports) return;
    this.#objects += objects;
    if (this.#objects < instanceLimits.collectExports) return;
    this.#objects = 0;
    this.#collect();
  }
}

/** Counter of this process. */
export const instanceGarbage = new InstanceGarbage(collectGarbage);
