/**
 * All rows of what guests cost, by one command: `npm run bench -- engine`. Runs the benches below, one after the other,
 * and prints their tables; takes about half an hour. From the environment as for each of them: ROUNDS, SECONDS.
 *
 * - guests: programs of real compilers, twins that grow or start in each call, with snapshots and without
 * - invoke hello: requests a second and p99 beside bare Koa and other peers
 * - cpu calls cold: processor time of hello, a sleep, a POST; the first call of code that was dropped
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
  ['wasm'],
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
