/**
 * Flags of V8 wherever guests run: in runners, in `wasmcloud run`, in benchmarks. Metering makes functions longer
 * than V8's inlining budgets were made for (3, 500, 50 and 5,000); with these, metered recursion is as fast as the
 * plain module is without them (RATIONALE.md, wasm).
 */
export const inliningFlags: readonly string[] = [
  '--wasm-inlining-factor=12',
  '--wasm-inlining-max-size=1000',
  '--wasm-inlining-min-budget=100',
  '--wasm-inlining-budget=15000',
];
