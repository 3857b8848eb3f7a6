/**
 * Flags of V8 for every process that runs guests: runners, `wasmcloud run`, benchmarks. Metering makes functions longer
 * than V8's inlining budgets assume (3, 500, 50 and 5,000). With these flags metered recursion is as fast as the plain
 * module without them (RATIONALE.md, wasm).
 */
export const inliningFlags: readonly string[] = [
  '--wasm-inlining-factor=12',
  '--wasm-inlining-max-size=1000',
  '--wasm-inlining-min-budget=100',
  '--wasm-inlining-budget=15000',
];
