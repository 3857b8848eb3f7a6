/** Declares JavaScript Promise Integration (JSPI), which TypeScript's own library does not declare yet. */
declare namespace WebAssembly {
  /** Wraps a function as an import; a promise that the function returns suspends the guest. */
  class Suspending {
    constructor(fn: (...args: never[]) => unknown);
  }
  /** Wraps an export, so that it returns a promise and the guest may be suspended during the call. */
  function promising(fn: CallableFunction): (...args: unknown[]) => Promise<unknown>;
  /**
   * Tag of every exception that JavaScript throws. A module that imports the tag can catch and rethrow such exceptions.
   */
  const JSTag: object;
}
