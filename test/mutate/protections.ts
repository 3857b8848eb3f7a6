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
  {
    name: 'egress: the address of the connected peer is the one that was checked',
    file: 'src/guest/kernel/net/egress.ts',
    find: 'if (peer === null || !addresses.includes(peer))',
    replace: 'if (peer === null)',
    tests: ['test/guest/kernel/net/egress.test.ts'],
  },
  {
    name: 'host files: no link is followed between look-up and open',
    file: 'src/guest/kernel/fs/host-file.ts',
    find: 'access | noFollow | noWait',
    replace: 'access | noWait',
    tests: ['test/guest/kernel/fs/host-directory.test.ts'],
  },
  {
    name: 'http: Cookie stays within its origin at a redirect',
    file: 'src/guest/kernel/net/http-call.ts',
    find: "['authorization', 'cookie']",
    replace: "['authorization']",
    tests: ['test/guest/kernel/resources/http.test.ts'],
  },
  {
    name: 'http: headers named by a response’s Connection are of the hop',
    file: 'src/guest/kernel/net/http-exchange.ts',
    find: "hopByHop(this.values('connection'))",
    replace: 'hopByHop([])',
    tests: ['test/guest/kernel/resources/http.test.ts'],
  },
  {
    name: 'kernel: host calls of an ended Process do nothing',
    file: 'src/guest/kernel/syscall.ts',
    find: 'if (guest.end !== null) throw new ProcessEnded(guest.end.kind);',
    replace: '',
    tests: ['test/guest/kernel/process.test.ts'],
  },
  {
    name: 'kernel: a Resource under two descriptors outlives the close of one',
    file: 'src/guest/kernel/open.ts',
    find: 'guest.descriptors.holds(resource) ? 0 : resource.close()',
    replace: 'resource.close()',
    tests: ['test/conformance/dagger'],
  },
];
