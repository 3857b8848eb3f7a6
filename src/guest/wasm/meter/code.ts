/** Rewrites the code section (5.5.13): hands each body to the scanner and writes it metered. */
import { type CapName, caps } from '../format/caps.ts';
import { type CapBreach, findSection, type Module } from '../format/model.ts';
import { ByteReader } from '../format/reader.ts';
import type { ByteWriter } from '../format/writer.ts';
import type { LineMarks } from '../lines/line-marks.ts';
import type { BranchHints } from './branch-hints.ts';
import type { Costs } from './costs.ts';
import { BodyEmitter } from './emit.ts';
import { entryCredits } from './entry-credits.ts';
import { type HelperIndices, helperCount, writeHelpers } from './helpers.ts';
import { type CodeScanner, compileCost } from './scan-code.ts';

export interface CodeOptions {
  readonly indices: HelperIndices;
  readonly hasMemory: boolean;
  /** Index of the first i64 global of a profile build, which has one per function; null in other builds. */
  readonly profileGlobals: number | null;
  readonly costs: Costs;
  /** Source lines to follow through the code; null: the module has none. */
  readonly marks: LineMarks | null;
}

/** Most breaches that are kept: a module may break caps in thousands of functions. */
const breachesMax = 20;

/**
 * Scans every body and writes the payload of the metered code section to `writer`. Returns which functions are beyond a
 * cap, at most breachesMax of them, and notes functions with refused features in `module`; in both cases the output is
 * incomplete and must not be used. Throws `module_invalid`.
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
  // A profile build attributes to each function the gas that it uses itself, so callers pay nothing ahead.
  if (options.profileGlobals === null) scanner.flow.setEntryCredits(entryCredits(module, scanner, bodies));
  const { indices, marks } = options;
  const emitter = new BodyEmitter({ writer, bytes: module.bytes, scanner, indices, hints, moves: marks });
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
    marks?.beginBody(bodies[2 * index]!);
    let written = 0;
    writer.sized(() => {
      const profileGlobal = options.profileGlobals === null ? null : options.profileGlobals + index;
      written = emitter.emit(end, profileGlobal);
    });
    breach('bodyBytes', written);
    marks?.endBody(writer.length - written);
  }
  marks?.endCode(writer.length);
  writeHelpers(writer, { ...options, module });
  return breaches;
}

/** Returns the byte ranges of the bodies of the `defined` functions: start and end of each in turn. */
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
