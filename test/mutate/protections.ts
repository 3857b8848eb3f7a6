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
    name: 'turnstile: waiting places of one user',
    file: 'src/waiting/turnstile.ts',
    find: 'ofUser >= waitingPerUser || ',
    replace: '',
    tests: ['test/waiting'],
  },
  {
    name: 'git: one deadline for all commands of a push',
    file: 'src/control/git/push-commands.ts',
    find: 'body.read(end - performance.now())',
    replace: 'body.read(limits.commandsMs)',
    tests: ['test/faults/git-door-slow.test.ts'],
  },
  {
    name: 'git: one deadline for a whole negotiation',
    file: 'src/control/git/git-body.ts',
    find: 'await this.read(end - performance.now())',
    replace: 'await this.read(timeoutMs)',
    tests: ['test/faults/git-door-slow.test.ts'],
  },
  {
    name: 'git: a fetch whose client stops reading is ended',
    file: 'src/control/git/exchange.ts',
    find: 'if (waits && waited && now - written < limits.slowBytes) onClientGone();',
    replace: '',
    tests: ['test/faults/git-door-slow.test.ts'],
  },
  {
    name: 'git: no C1 control character in a ref',
    file: 'src/control/git/push-commands.ts',
    find: '\\x7f-\\x9f',
    replace: '\\x7f',
    tests: ['test/control/git/pkt-line.test.ts'],
  },
  {
    name: 'git: least rate of a pack that arrives',
    file: 'src/control/git/pack-spool.ts',
    find: 'if (windowBytes < slowBytes) throw timedOut();',
    replace: '',
    tests: ['test/faults/git-door-slow.test.ts'],
  },
  {
    name: 'git: bytes of packs of one user',
    file: 'src/control/git/pack-spool.ts',
    find: "if (!mine.take(bytes)) throw tooMuch('you push too much at once');",
    replace: 'mine.take(0);',
    tests: ['test/faults/git-door-slow.test.ts'],
  },
  {
    name: 'git: a killed git leaves a report',
    file: 'src/control/git/push-exchange.ts',
    find: 'return () => answer.finish(text, report);',
    replace: "return () => answer.finish('', Buffer.from(text).subarray(0, 0));",
    tests: ['test/faults/git-door-ends.test.ts'],
  },
  {
    name: 'tree: no symbolic link out of it',
    file: 'src/control/deploy/tree.ts',
    find: "!target.startsWith('/') &&",
    replace: '',
    tests: ['test/control/deploy/tree.test.ts'],
  },
  {
    name: 'tree: names that scratch would hide',
    file: 'src/control/deploy/tree.ts',
    find: "if (/^tmp(?:\\/|$)/.test(path)) return 'the scratch folder /tmp hides it';",
    replace: '',
    tests: ['test/control/deploy/tree.test.ts'],
  },
  {
    name: 'tree: names that are no UTF-8',
    file: 'src/control/deploy/tree.ts',
    find: "if (!isUtf8) return 'its name is not UTF-8';",
    replace: '',
    tests: ['test/control/deploy/tree.test.ts'],
  },
  {
    name: 'git: passwords at its prompt are limited',
    file: 'src/control/accounts/accounts.ts',
    find: 'const giveBack = this.#countAttempt({ name, address, isKnown });',
    replace: 'const giveBack = () => {};',
    tests: ['test/control/git/clients.test.ts'],
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
