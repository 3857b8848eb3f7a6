/** Describes modules, as src/guest/wasm finds them; the description is stored with the Artifact and sent to runners. */
import type { AbiName } from './nouns.ts';

export type ValType = 'i32' | 'i64' | 'f32' | 'f64' | 'v128' | 'funcref' | 'externref' | 'exnref';

export interface FuncType {
  readonly params: readonly ValType[];
  readonly results: readonly ValType[];
}

export interface FunctionImport extends FuncType {
  readonly module: string;
  readonly name: string;
}

/** A function that guests may import, from an ABI's table. */
export interface ProvidedFunction {
  readonly module: string;
  readonly name: string;
  readonly abi: AbiName;
  /**
   * Types under which the function may be imported; messages show the first. Several where both i32 and i64 are
   * accepted.
   */
  readonly signatures: readonly FuncType[];
}

/**
 * Pages at the end of the memory that the guest grows into before the memory itself grows. `memory.size` does not count
 * them. Artifacts of meter version 3 and below have no reserve: their memory grows itself.
 */
export interface MemoryReserve {
  /**
   * Export name of the hidden i32 global that holds the pages left in the reserve; the runner sets it after
   * instantiation.
   */
  readonly global: string;
  /** Initial pages of the reserve, at most what `maximumPages` allows; 0 for code without memory.grow. */
  readonly pages: number;
}

/**
 * How to make, call and restore an instance of a rewritten module. Names are those of the rewritten module's imports
 * and exports.
 */
export interface InstancePlan {
  /** The guest's function imports, with the types that it declares (i32 or i64 may differ between guests). */
  readonly imports: readonly FunctionImport[];
  /**
   * Functions of the pushed module, imported ones included: those after them are the meter's. Absent in Artifacts of
   * meter version 6 and below.
   */
  readonly functions?: number;
  /**
   * Memory import `trisiel.memory`; null for a module without a memory. `maximumPages` is the maximum that the module
   * declares (null: none). The runner makes the memory with the smaller one of `maximumPages` and the limit
   * memoryPages, so one Artifact serves every limit.
   */
  readonly memory: {
    readonly initialPages: number;
    readonly maximumPages: number | null;
    readonly reserve?: MemoryReserve;
  } | null;
  /** Export name of the hidden i32 global that holds the gas left in this slice. */
  readonly gasGlobal: string;
  /** Export name of the former start function, which the runner calls first; null: the module has none. */
  readonly start: string | null;
  /** Name of the exported `_initialize`, which the runner calls once before the entry point; null: none. */
  readonly initialize: string | null;
  /**
   * Export name of the entry point, and whether it returns an i32 exit status. `isHttp`: the entry point answers a
   * request through wasi:http, without CGI; absent: false.
   */
  readonly entry: { readonly name: string; readonly returnsStatus: boolean; readonly isHttp?: boolean };
  /** Export name of the function that runs a task on a stack of its own; absent: the module has no tasks. */
  readonly taskEntry?: string;
  /** ABIs that the module's imports belong to. */
  readonly abis: readonly AbiName[];
  /**
   * Export name of the hidden function that sets all mutable globals back to their initial values, without using gas.
   * Absent for modules without mutable globals, and in Artifacts of meter version 4 and below, whose globals are set
   * one by one.
   */
  readonly restore?: string;
  /**
   * Hidden export names and types of mutable globals; in Artifacts of meter version 4 and below all of them are
   * exported.
   */
  readonly mutableGlobals: readonly { readonly exportName: string; readonly type: ValType }[];
  /** Hidden export name of the table, and the number of entries at its start; null: the module has none. */
  readonly table: { readonly exportName: string; readonly initial: number } | null;
  /**
   * Initial entries of all tables. Absent in Artifacts of meter version 3 and below, which have only the one in
   * `table`.
   */
  readonly tableEntries?: number;
  /**
   * Which state besides memory and globals the code can change. When all flags are false, restoring memory and globals
   * recycles the instance.
   */
  readonly mutates: {
    /** table.set, grow, fill, copy, init */
    readonly table: boolean;
    /** data.drop, elem.drop, and memory.init / table.init whose segment could be dropped */
    readonly segments: boolean;
  };
}

/** Results of rewriting alone: the same bytes give the same results on every machine. */
export interface RewrittenModule {
  /** SHA-256 of the original bytes, hex. */
  readonly sha256: string;
  /** Version of the cost table and of the rewriting; it is part of the Artifact's name. */
  readonly meterVersion: number;
  readonly originalBytes: number;
  readonly plan: InstancePlan;
  /** Feature names used, e.g. 'simd', 'bulk-memory'. */
  readonly features: readonly string[];
  readonly functions: number;
  /** Component that the module was linked from; absent: a module was pushed. */
  readonly component?: LinkedFrom;
  /** Start-up that ran at the push; absent: the start-up, if there is one, runs in each call. */
  readonly snapshot?: SnapshotFacts;
  /** SHA-256, hex, of the source map beside the module; absent: there was none. The Artifact has its lines. */
  readonly sourceMap?: string;
}

/** Version of the format of snapshots; it is part of the Artifact's name. */
export const SNAPSHOT_VERSION = 1;

/** Facts about a start-up that ran at the push. */
export interface SnapshotFacts {
  readonly version: number;
  /** SHA-256, hex, of the module with its image, before metering. The Artifact is made from these bytes alone. */
  readonly sha256: string;
  /** Names of the exports that ran, in order. */
  readonly startUp: readonly string[];
  /** Size in bytes of the module with its image, before metering. */
  readonly bytes: number;
  /** Pages of memory at the beginning of each call. */
  readonly memoryPages: number;
  readonly gas: number;
  /** Milliseconds that the start-up took on the machine of the push; each call saves them. */
  readonly savedMs: number;
}

/** The component that a module was linked from. */
export interface LinkedFrom {
  /** Version of the linker; it is part of the Artifact's name. */
  readonly linkerVersion: number;
  /** The exported interface that the entry point calls, as the component names it: `wasi:cli/run@0.2.3`. */
  readonly entry: string;
  /** Number of functions that the component imports from the host. */
  readonly functions: number;
}

/** Effects of a start-up that the handler's owner should know about. */
export interface StartUpReport {
  /** Lines of output and log that the start-up wrote, in order. */
  readonly output: readonly string[];
  /** Number of lines that were not kept. */
  readonly outputDropped: number;
  /** Calls whose results are now fixed in the image, by name: for example random numbers and times. */
  readonly frozen: readonly string[];
  /**
   * Whether the start-up read its environment or arguments: a program that keeps copies does not see those of a
   * request.
   */
  readonly hasReadEnvironment: boolean;
}

/** Measures that the vet child took with the engine, on the machine of the push. */
export interface ModuleMeasures {
  /**
   * Bytes of committed memory for the machine code that the engine's baseline compiler makes of the whole module. A
   * runner that has compiled the module holds that much; the optimising compiler adds code for hot functions only.
   */
  readonly codeBytes: number;
  /**
   * Processor time of one instantiation in microseconds, the new memory included; median of 5. Instantiation blocks the
   * runner's event loop for that long.
   */
  readonly instantiationUs: number;
}

/** Module after vetting, with everything that a runner must know about it. */
export interface VettedModule extends RewrittenModule, ModuleMeasures {}

/**
 * Bytes of baseline machine code per byte of the original module, rounded up. Measured: 4.9 (esbuild), 5.4 (Ruby), 7.3
 * (SQLite), 6.9 (a C program of 29 KB).
 */
const codeBytesPerByte = 8;

/**
 * Returns `module` with estimates for measures that it lacks: Artifacts stored before measures existed, and modules
 * that were rewritten outside of a vet child. The estimate of `codeBytes` is rather too high than too low;
 * `instantiationUs` is 0.
 */
export function withMeasures(module: RewrittenModule & Partial<ModuleMeasures>): VettedModule {
  return { codeBytes: module.originalBytes * codeBytesPerByte, instantiationUs: 0, ...module };
}

/**
 * Returns an Artifact's name, made from the original bytes, the meter version and, for a component, the linker version,
 * for a source map beside the module some digits of its hash: they decide the rewritten bytes. A snapshot is named by
 * the module with its image, since a start-up may use random numbers and clocks.
 */
export function artifactName(module: {
  readonly sha256: string;
  readonly meterVersion: number;
  readonly component?: Pick<LinkedFrom, 'linkerVersion'> | undefined;
  readonly snapshot?: Pick<SnapshotFacts, 'sha256' | 'version'> | undefined;
  readonly sourceMap?: string | undefined;
}): string {
  const { sha256, meterVersion, component, snapshot, sourceMap } = module;
  const map = sourceMap === undefined ? '' : `-d${Number.parseInt(sourceMap.slice(0, 7), 16)}`;
  if (snapshot !== undefined) return `${snapshot.sha256}-m${meterVersion}-s${snapshot.version}${map}`;
  const linker = component === undefined ? '' : `-l${component.linkerVersion}`;
  return `${sha256}-m${meterVersion}${linker}${map}`;
}

/** Returns the version of the linker in an Artifact's name; null: the Artifact was made from a module. */
export function linkerVersionOf(artifact: string): number | null {
  const match = /^[0-9a-f]{64}-m\d+-l(\d+)/.exec(artifact);
  return match === null ? null : Number(match[1]);
}
