/**
 * Protections, each with the edit that takes it out and the tests that must then fail. Keep `find` short enough to
 * survive formatting; test/mutate/protections.test.ts fails when it no longer stands in its file exactly once.
 */
export interface Protection {
  /** What is protected, in a few words; `npm run mutate WORD` chooses by it. */
  readonly name: string;
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly find: string;
  readonly replace: string;
  /** Test files or folders that must notice. */
  readonly tests: readonly string[];
}

export const protections: readonly Protection[] = [
  {
    name: 'turnstile: a blocked head lets others past',
    file: 'src/waiting/turnstile.ts',
    find: 'this.#queue.admit((waiting) => this.#isTurn(waiting))',
    replace:
      '((first) => this.#queue.admit((waiting) => (first ??= waiting) === waiting && this.#isTurn(waiting)))(undefined as Operation | undefined)',
    tests: ['test/waiting'],
  },
];
