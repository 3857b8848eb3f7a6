/** Describes a module and finds every reason to refuse it. */
import type { FunctionImport, InstancePlan } from '../../../protocol/module.ts';
import type { AbiName } from '../../../protocol/nouns.ts';
import { type CapName, caps } from '../format/caps.ts';
import type { CapBreach, Export, Memory, Module, RefusedUse, Table } from '../format/model.ts';
import { type Processed, processModule } from '../meter/process.ts';
import { chooseEntry } from './entry.ts';
import { capFindings, dataFindings, type Finding, featureFindings } from './findings.ts';
import { type InspectOptions, importFindings } from './imports.ts';

export interface Inspection {
  readonly imports: readonly FunctionImport[];
  readonly exports: readonly Export[];
  readonly memories: readonly Memory[];
  readonly tables: readonly Table[];
  /** Index of the start function; null without one. */
  readonly start: number | null;
  /** Number of functions that the module defines. */
  readonly functions: number;
  readonly features: readonly string[];
  /** Uses of refused features. */
  readonly refused: readonly RefusedUse[];
  readonly abis: readonly AbiName[];
  readonly entry: InstancePlan['entry'] | null;
  readonly initialize: string | null;
  /** All reasons to refuse the module; empty: it may be deployed. */
  readonly findings: readonly Finding[];
}

/**
 * Returns the description. Throws `module_invalid`, and `module_unsupported` for a component; `findings` has all other
 * reasons.
 */
export function inspectModule(bytes: Uint8Array, options: InspectOptions): Inspection {
  return inspect(processModule(bytes, { subject: options.name ?? 'the module' }), options);
}

/** Returns the description of a module that was read and rewritten, with every reason to refuse it. */
export function inspect(processed: Processed, options: InspectOptions): Inspection {
  const { module } = processed;
  const breaches = [...moduleBreaches(module), ...processed.breaches];
  const findings = [...featureFindings(processed), ...capFindings(module, breaches)];
  const imports = importFindings(module, options);
  const entry = chooseEntry(module);
  // An incomplete module lacks list entries that were not read, so missing entries are no findings.
  if (module.complete) {
    findings.push(...imports.findings, ...dataFindings(module));
    if (!imports.isForeign) findings.push(...entry.findings);
  }
  return {
    imports: module.functionImports.map(({ module: from, name, type }) => ({
      module: from,
      name,
      ...module.types[type]!,
    })),
    exports: module.exports,
    memories: module.memories,
    tables: module.tables,
    start: module.start,
    functions: module.functionTypes.length - module.functionImports.length,
    features: [...module.features].sort(),
    refused: module.refused,
    abis: imports.abis.length > 0 ? imports.abis : entry.abis,
    entry: entry.entry,
    initialize: entry.initialize,
    findings,
  };
}

/** Returns the exceeded caps on the module as a whole, except the count that ended the reading. */
function moduleBreaches(module: Module): CapBreach[] {
  const values: Partial<Record<CapName, number>> = {
    moduleBytes: module.bytes.length,
    functions: module.functionTypes.length - module.functionImports.length,
    types: module.types.length,
    imports: module.functionImports.length + module.otherImports.length,
    exports: module.exports.length,
    globals: module.globals.length,
    elementSegments: module.elementSegments,
    elements: module.elements,
    dataSegments: module.dataSegments,
    constantInstructions: module.constantInstructions,
    tables: module.tables.length,
    tableEntries: module.tables.reduce((sum, table) => sum + table.initial, 0),
    memories: module.memories.length,
    memoryPages: module.memories.reduce((most, memory) => Math.max(most, memory.initial), 0),
    tags: module.tags.length,
    tagValues: module.tags.reduce((most, type) => Math.max(most, module.types[type]!.params.length), 0),
    mutableGlobals: module.globals.reduce((sum, global) => sum + (global.mutable ? 1 : 0), 0),
  };
  const breaches: CapBreach[] = [];
  for (const [cap, value] of Object.entries(values) as [CapName, number][]) // its keys are caps
    if (value > caps[cap].limit && cap !== module.hopeless?.cap) breaches.push({ cap, value, functionIndex: null });
  return breaches;
}
