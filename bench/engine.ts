/**
 * All rows of what guests cost, by one command: `npm run bench -- engine`. Runs the benches below, one after the other,
 * and prints their tables; takes about half an hour. From the environment as for each of them: ROUNDS, SECONDS.
 *
 * - guests: programs of real compilers, twins that grow or start in each call, with snapshots and without
 * - invoke hello: requests a second and p99 beside bare Koa and other peers
 * - cpu calls cold: processor time of hello, a sleep, a POST; the first call of code that was dropped
 * - logs hello: what a log line for each call costs
 * - wasm: metered against plain run time, medians and least times after a long warm-up
 *
 * Exits 1 if one of them fails, after the others have run.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const benches: readonly (readonly [name: string, ...args: string[]])[] = [
  ['guests'],
  ['invoke', 'hello'],
  ['cpu', 'calls', 'cold'],
  ['logs', 'hello'],
  ['wasm'],
];

/** Guests that have no row, or not their own. No registry that is reached here has what they need. */
const absent = [
  "TinyGo: its compiler is in no package; the row is a program of another package's tests, which does not grow",
  'Javy: the package javy-cli of npm downloads its program from elsewhere; the rows of QuickJS, its engine, stand for it',
  '.NET: its WASI workload comes from NuGet only',
  'Python: no package has an interpreter for WASI',
  'Wasmtime, as a peer: in neither npm nor Debian',
  'memory over ten minutes: npm run bench -- cpu memory',
];

// A process each: compiled code and garbage of one bench must not slow down the next.
for (const [name, ...args] of benches) {
  console.log(`\n# ${[name, ...args].join(' ')}`);
  const bench = spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), name, ...args], { stdio: 'inherit' });
  const [code] = await once(bench, 'exit');
  if (code !== 0) {
    console.error(`bench ${name} has ended with ${code}`);
    process.exitCode = 1;
  }
}

console.log(`\n# not among these rows\n${absent.map((line) => `- ${line}`).join('\n')}`);
