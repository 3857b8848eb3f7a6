/** Compares a module's imports with the functions that the host provides. */
import { editDistance } from '../../../protocol/edit-distance.ts';
import type { FuncType, ProvidedFunction } from '../../../protocol/module.ts';
import type { AbiName } from '../../../protocol/nouns.ts';
import type { Module, OtherImport } from '../format/model.ts';
import { cutDetails, detailsMax, type Finding, plural, printable } from './findings.ts';
import { foreignFindings } from './foreign-hosts.ts';

export interface InspectOptions {
  readonly provided: readonly ProvidedFunction[];
  /** Name of the module in messages: its path. */
  readonly name?: string;
  /** URL of the page that documents provided imports, for hints. */
  readonly docsUrl?: string;
}

export interface ImportFindings {
  readonly findings: readonly Finding[];
  /** ABIs that the imports belong to, sorted. */
  readonly abis: readonly AbiName[];
  /** Whether the module was built for another host; then findings about its entry point are left out. */
  readonly isForeign: boolean;
}

/**
 * Compares every import with `provided`. Finds unknown functions, functions of another type, and imports that are no
 * functions.
 */
export function importFindings(module: Module, { provided, docsUrl }: InspectOptions): ImportFindings {
  if (module.otherImports.some((wanted) => wanted.module === 'env' && wanted.name === '__linear_memory')) {
    return { findings: [objectFile], abis: [], isForeign: true };
  }
  const known = new Map<string, ProvidedFunction[]>();
  for (const entry of provided) {
    const key = `${entry.module}\0${entry.name}`;
    known.set(key, [...(known.get(key) ?? []), entry]);
  }
  const abis = new Set<AbiName>();
  const unknown: Wanted[] = [];
  const mistyped: (Wanted & { readonly signatures: readonly FuncType[] })[] = [];
  for (const { module: from, name, type: typeIndex } of module.functionImports) {
    const type = module.types[typeIndex]!;
    const entries = known.get(`${from}\0${name}`);
    const fitting = entries?.find((entry) => entry.signatures.some((signature) => sameType(signature, type)));
    if (fitting !== undefined) abis.add(fitting.abi);
    else if (entries === undefined) unknown.push({ module: from, name, type });
    else mistyped.push({ module: from, name, type, signatures: entries.flatMap((entry) => entry.signatures) });
  }
  const hint = `provided imports: wasmcloud docs${docsUrl === undefined ? '' : `, or ${docsUrl}`}`;
  const foreign = foreignFindings(unknown);
  const findings: Finding[] = [...foreign.findings];
  const unexplained = unknown.filter((wanted) => !foreign.modules.has(wanted.module));
  if (unexplained.length > 0) findings.push(unknownFinding(unexplained, provided, hint));
  if (mistyped.length > 0) {
    findings.push({
      code: 'imports_unknown',
      message: `imports ${plural(mistyped.length, 'function')} with a type that is not the provided one`,
      details: cutDetails(
        columns(mistyped, ({ signatures }) => `provided: ${signatures.slice(0, 4).map(formatType).join(' or ')}`),
      ),
      hints: [hint],
    });
  }
  const others = module.otherImports.filter((wanted) => !foreign.modules.has(wanted.module));
  if (others.length > 0) findings.push(otherFinding(others));
  return { findings, abis: [...abis].sort(), isForeign: foreign.findings.length > 0 };
}

/** What a compiler writes for a linker imports its memory under a name of its own. */
const objectFile: Finding = {
  code: 'imports_unknown',
  message: 'is an object file, which a linker has yet to make a program of',
  details: ['it imports env.__linear_memory  (memory)'],
  hints: ['link it: clang without -c, or wasm-ld'],
};

interface Wanted {
  readonly module: string;
  readonly name: string;
  readonly type: FuncType;
}

function unknownFinding(unknown: readonly Wanted[], provided: readonly ProvidedFunction[], hint: string): Finding {
  return {
    code: 'imports_unknown',
    message: `imports ${plural(unknown.length, 'function')} that nothing provides`,
    details: cutDetails(
      columns(unknown, (wanted) => {
        const nearest = nearestName(wanted, provided);
        return nearest === null ? '' : `did you mean ${nearest}?`;
      }),
    ),
    hints: [hint],
  };
}

function otherFinding(others: readonly OtherImport[]): Finding {
  const kinds = [...new Set(others.map((entry) => entry.kind))];
  return {
    code: 'imports_unknown',
    message:
      kinds.length === 1
        ? `imports ${others.length === 1 ? `a ${kinds[0]}` : `${others.length} ${kinds[0] === 'memory' ? 'memories' : `${kinds[0]}s`}`}, which nothing provides`
        : `imports ${others.length} memories, tables and globals, which nothing provides`,
    details: cutDetails(others.map((entry) => `${printable(entry.module)}.${printable(entry.name)}  (${entry.kind})`)),
    hints: kinds.map((kind) =>
      kind === 'memory'
        ? 'a function has a memory of its own: link without --import-memory'
        : `a function has ${kind}s of its own: link without importing them`,
    ),
  };
}

/** Returns lines `module.name  type   note` with aligned types. */
function columns<T extends Wanted>(wanted: readonly T[], note: (entry: T) => string): string[] {
  const shown = wanted.slice(0, detailsMax).map((entry) => `${printable(entry.module)}.${printable(entry.name)}`);
  const width = Math.min(40, Math.max(...shown.map((name) => name.length)));
  return wanted.map((entry, index) => {
    const name = shown[index];
    // Skips lines that are cut away: a module may have very many.
    return name === undefined ? '' : `${name.padEnd(width)}  ${formatType(entry.type)}   ${note(entry)}`.trimEnd();
  });
}

export function formatType({ params, results }: FuncType): string {
  const shorten = (list: readonly string[]) =>
    list.length > 16 ? [...list.slice(0, 16), `… ${list.length - 16} more`] : list;
  const right = results.length === 1 ? results[0] : `(${shorten(results).join(', ')})`;
  return `(${shorten(params).join(', ')}) -> ${right}`;
}

export function sameType(left: FuncType, right: FuncType): boolean {
  const same = (a: readonly string[], b: readonly string[]) =>
    a.length === b.length && a.every((entry, index) => entry === b[index]);
  return same(left.params, right.params) && same(left.results, right.results);
}

/** Fewest letters of a name for which similar names are looked up: a shorter name is close to all others. */
const nearestCharsMin = 3;

/** Returns the provided name closest to the wanted one; null when none is close. */
function nearestName(wanted: Wanted, provided: readonly ProvidedFunction[]): string | null {
  if (wanted.name.length > 64 || wanted.name.length < nearestCharsMin) return null;
  let best: ProvidedFunction | null = null;
  // At most a third of the letters may differ.
  let bestScore = Math.max(2, Math.floor(wanted.name.length / 3)) + 0.75;
  for (const entry of provided) {
    if (entry.name.length < nearestCharsMin) continue;
    // Among equally close names, one of the same import module wins.
    const score = editDistance(wanted.name, entry.name) + (entry.module === wanted.module ? 0 : 0.5);
    if (score < bestScore) [best, bestScore] = [entry, score];
  }
  if (best === null) return null;
  return best.module === wanted.module ? best.name : `${best.module}.${best.name}`;
}
