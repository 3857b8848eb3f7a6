/** Code section (5.5.13): walks the bodies, hands each to the scanner, writes it metered. */
import { type CapName, caps } from '../format/caps.ts';
import { type CapBreach, findSection, type Module } from '../format/model.ts';
import { ByteReader } from '../format/reader.ts';
import type { ByteWriter } from '../format/writer.ts';
import type { BranchHints } from './branch-hints.ts';
import type { Costs } from './costs.ts';
import { BodyEmitter } from './emit.ts';
import { entryCredits } from './entry-credits.ts';
import { type HelperIndices, helperCount, writeHelpers } from './helpers.ts';
import { type CodeScanner, compileCost } from './scan-code.ts';

export interface CodeOptions {
  readonly indices: HelperIndices;
  readonly hasMemory: boolean;
  /** First of one i64 global per function (profile build); null: none. */
  readonly profileGlobals: number | null;
  readonly costs: Costs;
}

/** Breaches kept; a module that breaks a cap in thousands of functions needs no longer list. */
const breachesMax = 20;

/**
 * Scans every body and writes the metered code section's payload to `writer`. Functions that use
 * refused features are noted in the module, those beyond a cap in `breaches`; the output is then
 * incomplete and of no use. Throws `module_invalid`.
 */
export function rewriteCode(
  module: Module,
  scanner: CodeScanner,
  writer: ByteWriter,
  hints: BranchHints,
  options: CodeOptions,
): CapBreach[] {
  const breaches: CapBreach[] = [];
  const imported = module.functionImports.length;
  const defined = module.functionTypes.length - imported;
  const bodies = readBodies(module, defined);
  // A profile build attributes to each function what it executes itself.
  if (options.profileGlobals === null) scanner.flow.setEntryCredits(entryCredits(module, scanner, bodies));
  const emitter = new BodyEmitter({ writer, bytes: module.bytes, scanner, indices: options.indices, hints });
  writer.u32(defined + helperCount(options.hasMemory));
  for (let index = 0; index < defined; index++) {
    const functionIndex = imported + index;
    const end = bodies[2 * index + 1]!;
    const breach = (cap: CapName, value: number) => {
      if (value > caps[cap].limit && breaches.length < breachesMax) breaches.push({ cap, value, functionIndex });
      return value > caps[cap].limit;
    };
    if (!scanner.scan(functionIndex, bodies[2 * index]!, end)) continue;
    hints.beginFunction(functionIndex + 1);
    if (breach('locals', scanner.facts.locals) || breach('localsTimesBranches', compileCost(scanner.facts))) continue;
    writer.sized(() => {
      const profileGlobal = options.profileGlobals === null ? null : options.profileGlobals + index;
      breach('bodyBytes', emitter.emit(end, profileGlobal));
    });
  }
  writeHelpers(writer, { ...options, module });
  return breaches;
}

/** Bounds of the bodies of the `defined` functions, start and end in turn. */
function readBodies(module: Module, defined: number): Int32Array {
  const bodies = new Int32Array(2 * defined);
  const section = findSection(module, 10);
  if (section === undefined) return bodies;
  const reader = new ByteReader(module.bytes, module.subject);
  reader.pos = section.start;
  reader.end = section.end;
  const count = reader.count('function bodies', 2);
  if (count !== defined) reader.fail(`${count} function bodies for ${defined} declared functions`, section.start);
  for (let index = 0; index < count; index++) {
    const offset = reader.pos;
    const size = reader.u32('body size');
    const end = reader.pos + size;
    if (end > section.end) reader.fail(`function body of ${size} bytes runs past its section`, offset);
    bodies[2 * index] = reader.pos;
    bodies[2 * index + 1] = end;
    reader.pos = end;
  }
  if (reader.pos !== section.end) reader.fail(`${section.end - reader.pos} bytes left over in the code section`);
  return bodies;
}
