/**
 * Collects garbage after many wide instances. V8 copies a dropped instance and all of its export objects in each
 * collection of the young generation until a full one comes: measured with 1,000 exports and instances made one after
 * the other: scavenges of 100 ms and more. A guest that traps in
 * each call makes the runner pay that, and everybody waits.
 */
import { collectGarbage } from './collect-garbage.ts';
import { instanceLimits } from './limits.ts';

export class InstanceGarbage {
  readonly #collect: () => void;
  /** Export objects of instances made since the last collection. */
  #objects = 0;
  /** Export objects of one instance, by module: the engine tells them by making a list. */
  readonly #perInstance = new WeakMap<WebAssembly.Module, number>();

  /** `collect` collects all garbage at once. */
  constructor(collect: () => void) {
    this.#collect = collect;
  }

  /** Counts one instance of `module`; collects where enough wide ones have been made. */
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

/** Of this process. */
export const instanceGarbage = new InstanceGarbage(collectGarbage);
