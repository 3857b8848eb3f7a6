/** Declares JavaScript Promise Integration (JSPI), which TypeScript's own library does not declare yet. */
declare namespace WebAssembly {
  /**
   * Wraps a function as an import; a promise that the function returns suspends the guest. TypeScript's types of
   * imports know functions alone, so this counts as one; JavaScript cannot call it.
   */
  class Suspending extends Function {
    constructor(fn: (...args: never[]) => unknown);
  }
  /** Wraps an export, so that it returns a promise and the guest may be suspended during the call. */
  function promising(fn: CallableFunction): (...args: unknown[]) => Promise<unknown>;
}
