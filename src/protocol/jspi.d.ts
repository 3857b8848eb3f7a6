/** JavaScript Promise Integration, which TypeScript's own library does not know yet. */
declare namespace WebAssembly {
  /** An import whose returned promise suspends the guest. */
  class Suspending {
    constructor(fn: (...args: never[]) => unknown);
  }
  /** Makes of an export one that returns a promise and may be suspended. */
  function promising(fn: CallableFunction): (...args: unknown[]) => Promise<unknown>;
  /** The tag of everything that JavaScript throws: a module that imports it can catch that and hand it on. */
  const JSTag: object;
}
