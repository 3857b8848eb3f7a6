/** The pass that everything else is made of: read the sections, scan and meter the code. */

import type { CapBreach, Module } from '../format/model.ts';
import { findSection } from '../format/model.ts';
import { readModule } from '../format/read-module.ts';
import { ByteWriter } from '../format/writer.ts';
import { type Layout, layOut } from './assemble.ts';
import { BranchHints } from './branch-hints.ts';
import type { Mutations } from './bulk.ts';
import { rewriteCode } from './code.ts';
import { type Costs, costs as standard } from './costs.ts';
import { CodeScanner } from './scan-code.ts';

export interface Processed {
  readonly module: Module;
  readonly layout: Layout;
  /** The metered code section's payload; of use only without refusals and breaches. */
  readonly code: ByteWriter;
  readonly hints: BranchHints;
  /** Caps of functions that are exceeded, and a count that ended the reading. */
  readonly breaches: readonly CapBreach[];
  readonly mutates: Readonly<Mutations>;
  /** Whether the code has a memory.grow. */
  readonly grows: boolean;
}

export interface ProcessModuleOptions {
  /** Name of the module in messages. */
  readonly subject: string;
  /** Count gas per function as well. */
  readonly profile?: boolean | undefined;
  /** Other prices than those of costs.ts, for tests. */
  readonly costs?: Costs | undefined;
}

/** Throws `module_invalid` or, for a component, `module_unsupported`. Linear in the size of `bytes`. */
export function processModule(
  bytes: Uint8Array,
  { subject, profile = false, costs = standard }: ProcessModuleOptions,
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
      breaches: module.hopeless === null ? [] : [module.hopeless],
      mutates,
      grows: false,
    };
  }
  const section = findSection(module, 10);
  // Metered code is about twice as large; the writer grows if it is more.
  const code = new ByteWriter(section === undefined ? 1024 : (section.end - section.start) * 2);
  const scanner = new CodeScanner(module, costs);
  const breaches = rewriteCode(module, scanner, code, hints, {
    indices: layout.indices,
    hasMemory: layout.hasMemory,
    profileGlobals: layout.profileGlobals,
    costs,
  });
  return { module, layout, code, hints, breaches, mutates: scanner.mutates, grows: scanner.grows };
}
