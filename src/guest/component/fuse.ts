/**
 * Fuses core modules that import from each other into one module. Renumbers functions, types, tables, globals and
 * segments; imports of host functions stay imports. Keeps the names of functions, which messages about traps show. The
 * engine validates every module first, and the type of every import is compared with that of its definition, so the
 * fused module is valid if the modules are.
 *
 * A start function finds what the specification says: data of later modules is written after it (fused-data.ts).
 */
import type { SourceLines } from '../wasm/lines/rows.ts';
import { componentCaps } from './caps.ts';
import { CoreModules } from './core-modules.ts';
import { FusedLines } from './fused-lines.ts';
import { NumberedUnits } from './number-units.ts';
import type { ExceptionForm } from './renumber.ts';
import type { HostTarget, KeptExport, MergedMemories, Unit } from './unit.ts';
import { checkFusedBytes, FusedWriter } from './write-fused.ts';

export interface FuseOptions {
  /** Name of the component in messages. */
  readonly subject: string;
  readonly modules?: CoreModules;
  /** Absent: the units have one memory at most. */
  readonly memories?: MergedMemories | null;
  /** Most bytes of all units together, and of the code of the fused module. Absent: componentCaps.fusedBytes. */
  readonly fusedBytesMax?: number;
}

export interface Fused {
  readonly bytes: Uint8Array;
  /** Source lines of its code (lines/rows.ts); null: no unit brings any. */
  readonly lines: SourceLines | null;
  /** Functions of the host that it imports. */
  readonly hosts: readonly HostTarget[];
  /** Forms in which the code of each unit catches exceptions. */
  readonly forms: readonly ReadonlySet<ExceptionForm>[];
}

/**
 * Returns the fused module, whose only exports are `keep`. Throws `module_invalid`, `module_unsupported`,
 * `module_too_large`.
 */
export function fuse(units: readonly Unit[], keep: readonly KeptExport[], options: FuseOptions): Fused {
  const { subject } = options;
  const { modules = new CoreModules(subject), memories = null, fusedBytesMax = componentCaps.fusedBytes } = options;
  const bytes = units.reduce((sum, unit) => sum + unit.bytes.length, 0);
  checkFusedBytes(bytes, fusedBytesMax, subject);
  const numbers = new NumberedUnits(units, { subject, modules, memories });
  const lines = new FusedLines();
  const writer = new FusedWriter(numbers, subject, fusedBytesMax);
  const fused = writer.write(keep, bytes, lines);
  return {
    bytes: fused,
    lines: lines.finish(),
    hosts: numbers.hosts.map(({ target }) => target),
    forms: writer.forms,
  };
}
