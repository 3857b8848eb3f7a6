/** Runs the pass over a module that inspecting and rewriting share: reads the sections, scans and meters the code. */

import type { CapBreach, Module } from '../format/model.ts';
import { findSection } from '../format/model.ts';
import { readModule } from '../format/read-module.ts';
import { ByteWriter } from '../format/writer.ts';
import { LineMarks } from '../lines/line-marks.ts';
import type { SourceLines } from '../lines/rows.ts';
import { type Layout, layOut } from './assemble.ts';
import { BranchHints } from './branch-hints.ts';
import type { Mutations } from './bulk.ts';
import { rewriteCode } from './code.ts';
import { type Costs, costs as standard } from './costs.ts';
import { CodeScanner } from './scan-code.ts';

export interface Processed {
  readonly module: Module;
  readonly layout: Layout;
  /** Payload of the metered code section; useless if there are refusals or breaches. */
  readonly code: ByteWriter;
  readonly hints: BranchHints;
  /** Source lines of the metered code; null: the module brings none. */
  readonly marks: LineMarks | null;
  /** Exceeded caps on functions, and the count that ended the reading. */
  readonly breaches: readonly CapBreach[];
  readonly mutates: Readonly<Mutations>;
  /** Whether the code has a memory.grow. */
  readonly grows: boolean;
}

export interface ProcessModuleOptions {
  /** Name of the module in messages. */
  readonly subject: string;
  /** Whether to count gas per function as well. */
  readonly profile?: boolean | undefined;
  /** Prices other than those of costs.ts, for tests. */
  readonly costs?: Costs | undefined;
  /** Source lines of the module; absent or null: none. */
  readonly lines?: SourceLines | null | undefined;
}

/**
 * Returns the processed module. Throws `module_invalid`, and `module_unsupported` for a component. Linear in the size
 * of `bytes`.
 */
export function processModule(
  bytes: Uint8Array,
  { subject, profile = false, costs = standard, lines = null }: ProcessModuleOptions,
): Processed {
  const module = readModule(bytes, subject);
  const layout = layOut(module, profile);
  const hints = new BranchHints();
  if (!module.complete) {
    const mutates = { table: false, segments: false };
    return {
      module,
      layout,
      code: new ByteWriter(0),
      hints,
      marks: null,
      breaches: module.hopeless === null ? [] : [module.hopeless],
      mutates,
      grows: false,
    };
  }
  const section = findSection(module, 10);
  // Metered code is about twice as large; the writer grows if needed.
  const code = new ByteWriter(section === undefined ? 1024 : (section.end - section.start) * 2);
  const marks = lines === null || section === undefined ? null : new LineMarks(lines, section.start);
  const scanner = new CodeScanner(module, costs);
  const breaches = rewriteCode(module, scanner, code, hints, {
    indices: layout.indices,
    hasMemory: layout.hasMemory,
    profileGlobals: layout.profileGlobals,
    costs,
    marks,
  });
  return { module, layout, code, hints, marks, breaches, mutates: scanner.mutates, grows: scanner.grows };
}
