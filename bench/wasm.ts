/**
 * What metering costs: how fast a module is rewritten, and how much slower it runs.
 *
 *     npm run bench -- wasm [FILE.wasm ...]
 *
 * Run time: original and rewritten module in one process, rounds interleaved: medians, and ratios of the same round, of
 * rounds 1 to 41; then the least time of rounds 42 to 150, when V8 has inlined all that it will. Rewriting: real
 * modules of 10 to 20 MB from bench/node_modules (npm --prefix bench install), or the files given. Nothing here is a
 * gate in tests.
 */
import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { inliningFlags } from '../src/guest/kernel/engine-flags.ts';
import { rewriteModule } from '../src/guest/wasm/rewrite.ts';
import { median } from './statistics.ts';

// As guests run.
for (const flag of inliningFlags) setFlagsFromString(flag);

type Exports = Record<string, (rounds: number) => number>;

const here = import.meta.dirname;
/** Rounds that take 5 to 25 ms on one core of 2023. */
const workloads: Readonly<Record<string, number>> = {
  sieve: 4,
  recursion: 10,
  matrix: 6,
  hash: 25,
  fnv: 150,
  jsonText: 25,
  sorting: 10,
  interpreter: 100,
};
const measuredRounds = 41;
/**
 * Rounds of each until the last is measured. V8 inlines anew when it has seen enough of what is called: some workloads
 * change their speed once more after dozens of rounds.
 */
const longRounds = 150;
/** Gas granted at a time: what a runner gives, about 1 to 2 ms of work. */
const slice = 5_000_000;

function time(run: () => void): number {
  const started = performance.now();
  run();
  return performance.now() - started;
}

async function runTimes(): Promise<void> {
  const bytes = readFileSync(join(here, 'guests/workloads.wasm'));
  const rewritten = rewriteModule(bytes);
  const memory = new WebAssembly.Memory({ initial: rewritten.plan.memory?.initialPages ?? 0 });
  let granted = 0;
  const gas = (left: number) => {
    granted += slice;
    return left + slice;
  };
  const plain = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports as unknown as Exports;
  const compiled = new WebAssembly.Module(rewritten.bytes as Uint8Array<ArrayBuffer>);
  const instance = new WebAssembly.Instance(compiled, { trisiel: { memory, gas } });
  const metered = instance.exports as unknown as Exports;
  const left = instance.exports[rewritten.plan.gasGlobal] as WebAssembly.Global<'i32'>;

  console.log('workload      plain ms  metered ms  ratio    gas/s  least later: plain  metered  ratio');
  const ratios: number[] = [];
  const laterRatios: number[] = [];
  for (const [name, rounds] of Object.entries(workloads)) {
    const run = (exports: Exports) => exports[name]?.(rounds);
    // Both reach the optimising tier before anything is measured.
    for (let warm = 0; warm < 8; warm++) if (run(plain) !== run(metered)) throw new Error(`${name} differs`);
    await new Promise((resolve) => setTimeout(resolve, 200));
    const before: number[] = [];
    const after: number[] = [];
    let used = 0;
    for (let round = 0; round < measuredRounds; round++) {
      before.push(time(() => run(plain)));
      const start = granted - left.value;
      after.push(time(() => run(metered)));
      used = granted - left.value - start;
    }
    const later = { plain: Number.POSITIVE_INFINITY, metered: Number.POSITIVE_INFINITY };
    for (let round = measuredRounds; round < longRounds; round++) {
      later.plain = Math.min(
        later.plain,
        time(() => run(plain)),
      );
      later.metered = Math.min(
        later.metered,
        time(() => run(metered)),
      );
    }
    const laterRatio = later.metered / later.plain;
    laterRatios.push(laterRatio);
    const ratio = median(after.map((value, index) => value / (before[index] ?? value)));
    ratios.push(ratio);
    const speed = `${(used / median(after) / 1e6).toFixed(1)} G`;
    console.log(
      `${name.padEnd(12)} ${median(before).toFixed(2).padStart(9)} ${median(after).toFixed(2).padStart(11)} ${ratio.toFixed(2).padStart(6)} ${speed.padStart(8)} ${later.plain.toFixed(2).padStart(19)} ${later.metered.toFixed(2).padStart(8)} ${laterRatio.toFixed(2).padStart(6)}`,
    );
  }
  const summary = (all: readonly number[]) =>
    `geometric mean ${geometricMean(all).toFixed(2)}, worst ${Math.max(...all).toFixed(2)}`;
  console.log(`medians of rounds 1 to ${measuredRounds}: ${summary(ratios)}`);
  console.log(`least of rounds ${measuredRounds + 1} to ${longRounds}: ${summary(laterRatios)}\n`);
}

function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}

function rewriting(files: readonly string[]): void {
  console.log('module                        MB   MB/s first  MB/s best  size  memory x');
  for (const file of files) {
    const bytes = readFileSync(file);
    const megabytes = bytes.length / 1e6;
    const rss = process.memoryUsage().rss;
    let size = 0;
    const times = [0, 1, 2, 3, 4].map(() =>
      time(() => {
        size = rewriteModule(bytes).bytes.length;
      }),
    );
    const grown = (process.memoryUsage().rss - rss) / bytes.length;
    console.log(
      [
        basename(file).padEnd(26),
        megabytes.toFixed(1).padStart(5),
        (megabytes / (times[0] ?? 1) / 1e-3).toFixed(0).padStart(12),
        (megabytes / Math.min(...times) / 1e-3).toFixed(0).padStart(10),
        (size / bytes.length).toFixed(2).padStart(5),
        grown.toFixed(1).padStart(9),
      ].join(' '),
    );
  }
}

const peers = ['esbuild-wasm/esbuild.wasm', '@ruby/3.4-wasm-wasi/dist/ruby.wasm']
  .map((file) => join(here, 'node_modules', file))
  .filter((file) => existsSync(file));
const given = process.argv.slice(2);
await runTimes();
const files = given.length > 0 ? given : peers;
if (files.length === 0) console.log('rewriting: no real module here; npm --prefix bench install, or name files');
else rewriting(files);
