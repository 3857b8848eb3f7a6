/**
 * Turns a pushed module into one that counts its own instructions and cannot name items of the platform. The push and
 * `wasmcloud run` use the same code, so a limit takes effect at the same instruction everywhere.
 */
import { createHash } from 'node:crypto';
import type { InstancePlan, ProvidedFunction, RewrittenModule } from '../../protocol/module.ts';
import type { Limits32, Module } from './format/model.ts';
import { invalidModule } from './format/reader.ts';
import { capFindings, featureFindings, toError } from './inspect/findings.ts';
import { inspect } from './inspect/inspect.ts';
import type { SourceLines } from './lines/rows.ts';
import { type AssembleOptions, assemble, hasState, hidden, ownMemory, ownTable } from './meter/assemble.ts';
import { type Costs, METER_VERSION } from './meter/costs.ts';
import { type Processed, processModule } from './meter/process.ts';

/** Most pages of 64 KiB in a first reserve: zeroing them takes about 30 µs. */
const firstReserveMax = 16;

/**
 * Most entries that a table may grow to, unless it starts with more. Entries that a guest adds count against no limit;
 * they take 2.6 MB for each table at most.
 */
const grownTableEntriesMax = 65_536;

export interface RewriteOptions {
  /** Name of the module in messages: its path. */
  readonly name?: string;
  /** Whether to count gas per function as well, in hidden i64 globals `trisiel.profile.N`. */
  readonly profile?: boolean;
  /** Prices other than those of meter/costs.ts, for tests: the name of an Artifact does not depend on them. */
  readonly costs?: Costs;
}

/** Part of the plan that rewriting finds; vetModule adds entry point and ABIs. */
export type RewritePlan = Omit<InstancePlan, 'entry' | 'abis' | 'initialize'>;

export interface Rewritten {
  readonly bytes: Uint8Array;
  readonly plan: RewritePlan;
  readonly features: readonly string[];
  readonly functions: number;
}

/**
 * Meters and confines any module of the accepted features, with imports of any kind. Throws PlatformError:
 * `module_invalid`, `module_unsupported`, `module_too_large` (caps on functions, and counts ten times their caps). Also
 * throws if the original does not validate.
 */
export function rewriteModule(bytes: Uint8Array, options: RewriteOptions = {}): Rewritten {
  const subject = options.name ?? 'the module';
  const processed = processModule(bytes, { subject, profile: options.profile, costs: options.costs });
  const findings = [...featureFindings(processed), ...capFindings(processed.module, processed.breaches)];
  if (findings.length > 0) throw toError(subject, findings);
  return finish(processed, { tableEntriesMax: Number.POSITIVE_INFINITY, exportsKept: null });
}

export interface VetOptions extends RewriteOptions {
  /** All functions that guests may import (src/guest/kernel/abi). */
  readonly provided: readonly ProvidedFunction[];
  /** URL of the page that documents provided imports, for hints. */
  readonly docsUrl?: string;
  /**
   * Keeps all exports of the module, not only those that the kernel calls: the kernel reads a probe through its own
   * exports.
   */
  readonly keepsExports?: boolean;
  /** Export name of a function without parameters that the kernel calls besides the entry point. */
  readonly taskEntry?: string;
  /** Source lines of the module's code (lines/source-lines.ts), to be found again in the rewritten code. */
  readonly lines?: SourceLines | null;
}

/**
 * Makes all checks that a push makes of a module, then rewrites it. Throws PlatformError with the texts of
 * docs/push.md: `module_invalid`, `module_unsupported`, `module_too_large`, `imports_unknown`, `entry_missing`. Reports
 * all findings at once; the first decides the code.
 */
export function vetModule(bytes: Uint8Array, options: VetOptions): { module: RewrittenModule; bytes: Uint8Array } {
  const subject = options.name ?? 'the module';
  const { profile, costs, lines } = options;
  const processed = processModule(bytes, { subject, profile, costs, lines });
  const inspection = inspect(processed, options);
  if (inspection.findings.length > 0 || inspection.entry === null) throw toError(subject, inspection.findings);
  const { entry, initialize } = inspection;
  const { taskEntry } = options;
  const kept = [entry.name, ...[initialize, taskEntry].flatMap((name) => name ?? [])];
  const rewritten = finish(processed, {
    tableEntriesMax: grownTableEntriesMax,
    exportsKept: options.keepsExports === true ? null : kept,
  });
  return {
    bytes: rewritten.bytes,
    module: {
      sha256: createHash('sha256').update(bytes).digest('hex'),
      meterVersion: METER_VERSION,
      originalBytes: bytes.length,
      plan: {
        ...rewritten.plan,
        entry,
        ...(taskEntry === undefined ? {} : { taskEntry }),
        abis: inspection.abis,
        initialize,
      },
      features: rewritten.features,
      functions: rewritten.functions,
    },
  };
}

function finish(processed: Processed, how: Pick<AssembleOptions, 'tableEntriesMax' | 'exportsKept'>): Rewritten {
  const { module, layout, code, hints, marks, mutates, grows } = processed;
  validateOriginal(module);
  const memory = ownMemory(module);
  const table = ownTable(module);
  return {
    bytes: assemble(module, { layout, code, hints, marks, ...how }),
    plan: {
      imports: module.functionImports.map(({ module: from, name, type }) => ({
        module: from,
        name,
        ...module.types[type]!,
      })),
      functions: module.functionTypes.length,
      memory:
        memory === null
          ? null
          : {
              initialPages: memory.initial,
              maximumPages: memory.maximum,
              reserve: { global: hidden.reserve, pages: grows ? firstReserve(memory) : 0 },
            },
      gasGlobal: hidden.gasLeft,
      start: module.start === null ? null : hidden.start,
      ...(hasState(module) ? { restore: hidden.restore } : {}),
      mutableGlobals: module.globals.flatMap((global, index) =>
        how.exportsKept === null && global.mutable && !global.imported
          ? [{ exportName: hidden.global(index), type: global.type }]
          : [],
      ),
      table: table === null ? null : { exportName: hidden.table, initial: table.initial },
      tableEntries: module.tables.reduce((sum, { initial }) => sum + initial, 0),
      mutates,
    },
    features: [...module.features].sort(),
    functions: module.functionTypes.length - module.functionImports.length,
  };
}

/**
 * Returns the pages in reserve for an instance before its calls are known: as many as it starts with, at most 1 MiB.
 * Programs with small memories grow by little, and every page is zeroed between two calls.
 */
function firstReserve({ initial, maximum }: Limits32): number {
  return Math.min(Math.max(initial, 1), firstReserveMax, Math.max(0, (maximum ?? Number.POSITIVE_INFINITY) - initial));
}

/**
 * Validates the original with the engine, which checks operand types. Inserted code is well typed at any place, so a
 * rewritten module could be valid by accident while the original is not. The engine never sees a module that exceeds a
 * cap or uses a refused feature.
 */
function validateOriginal(module: Module): void {
  const bytes = module.bytes as Uint8Array<ArrayBuffer>; // no SharedArrayBuffer: from a message or file
  if (WebAssembly.validate(bytes)) return;
  let problem = 'the engine refuses it';
  try {
    new WebAssembly.Module(bytes);
  } catch (error) {
    if (error instanceof Error) problem = error.message.replace(/^WebAssembly\.Module\(\): /, '');
  }
  const at = /^(.*) @\+(\d+)$/s.exec(problem);
  throw invalidModule(module.subject, at?.[1] ?? problem, Number(at?.[2] ?? 0));
}
