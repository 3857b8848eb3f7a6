/**
 * Chooses the entry point of a module: `_start`, else `handle`, else `main`, else `cwa_main`, else `h`. That of a
 * component is chosen in src/guest/component/entry-points.ts, which makes `_start` of it.
 */
import type { InstancePlan } from '../../../protocol/module.ts';
import type { AbiName } from '../../../protocol/nouns.ts';
import type { Module } from '../format/model.ts';
import type { Finding } from './findings.ts';
import { formatType } from './imports.ts';

/** Entry names by precedence, each with the ABI of a module that imports nothing. */
const entryNames: readonly (readonly [name: string, abi: AbiName])[] = [
  ['_start', 'wasi'],
  ['handle', 'dagger'],
  ['main', 'cwa'],
  ['cwa_main', 'cwa'],
  ['h', 'h'],
];

export interface ChosenEntry {
  readonly entry: InstancePlan['entry'] | null;
  readonly initialize: string | null;
  readonly abis: readonly AbiName[];
  readonly findings: readonly Finding[];
}

/**
 * Returns the first export, in the order of entryNames, whose function can be called: () -> () or () -> i32. Exports
 * that cannot be called, such as a `main` with argc and argv, are findings only if there is no export that can.
 */
export function chooseEntry(module: Module): ChosenEntry {
  const findings: Finding[] = [];
  const initialize = functionExport(module, '_initialize');
  if (initialize !== null && initialize.problem(0) !== null)
    findings.push({
      code: 'entry_missing',
      message: `exports _initialize, which cannot be called`,
      details: [`_initialize  ${initialize.problem(0)}, expected () -> ()`],
      hints: [],
    });
  const wrong: string[] = [];
  for (const [name, abi] of entryNames) {
    const found = functionExport(module, name);
    if (found === null) continue;
    const problem = found.problem(1);
    if (problem !== null) {
      wrong.push(`${name}  ${problem}`);
      continue;
    }
    return {
      entry: { name, returnsStatus: found.results > 0 },
      initialize: initialize === null ? null : '_initialize',
      abis: [abi],
      findings,
    };
  }
  const names = entryNames.map(([name]) => name).join(', ');
  const hints = [`export one of ${names} with the type () -> () or () -> i32`];
  if (wrong.some((line) => line.startsWith('main  (i32, i32)')))
    hints.push("C's main(argc, argv) needs a _start that calls it: link with wasi-libc, or write int main(void)");
  findings.push({
    code: 'entry_missing',
    message: wrong.length === 0 ? 'has no entry point' : 'has an entry point that cannot be called',
    details: wrong.length === 0 ? [`looked for: ${names}`] : wrong,
    hints,
  });
  return { entry: null, initialize: null, abis: [], findings };
}

function functionExport(module: Module, name: string) {
  const found = module.exports.find((entry) => entry.kind === 'function' && entry.name === name);
  if (found === undefined) return null;
  const type = module.types[module.functionTypes[found.index]!]!;
  return {
    results: type.results.length,
    /**
     * Returns why the function cannot be called with no arguments and at most `resultsMax` i32 results; null: it can.
     */
    problem(resultsMax: number): string | null {
      if (found.index < module.functionImports.length) return 'is an imported function';
      const callable =
        type.params.length === 0 && type.results.length <= resultsMax && type.results.every((entry) => entry === 'i32');
      return callable ? null : formatType(type);
    },
  };
}
