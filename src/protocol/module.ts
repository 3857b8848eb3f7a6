/** What src/guest/wasm tells of a module; stored with the Artifact, sent to runners. */
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
   * The types under which it may be imported, the first being the one to show. More than one where i32 and i64 are both
   * accepted.
   */
  readonly signatures: readonly FuncType[];
}

/**
 * Pages at the end of the memory that the guest grows into before the memory itself grows. `memory.size` does not show
 * them. Artifacts of meter version 3 and below have none: their memory grows itself.
 */
export interface MemoryReserve {
  /** Export name of the hidden i32 global with the pages left in reserve, to be set after instantiation. */
  readonly global: string;
  /** How many pages to begin with; 0 where the code has no memory.grow. Never more than `maximumPages` allows. */
  readonly pages: number;
}

/**
 * How to make, call and restore an instance of a rewritten module. Names are those of
 * the rewritten module's imports and exports.
 */
export interface InstancePlan {
  /** The guest's function imports, with the types it declares (i32 or i64 may differ by guest). */
  readonly imports: readonly FunctionImport[];
  /**
   * Import `trisiel.memory`; null for a module without a memory. `maximumPages` is the module's
   * own maximum (null: none declared). The runner makes the memory with the smaller of it and the
   * Limits' memoryPages, so one Artifact serves every limit.
   */
  readonly memory: {
    readonly initialPages: number;
    readonly maximumPages: number | null;
    readonly reserve?: MemoryReserve;
  } | null;
  /** Export names of the hidden i32 global with the gas left in this slice. */
  readonly gasGlobal: string;
  /** Export name of the former start function, to be called first; null if there was none. */
  readonly start: string | null;
  /** `_initialize` where exported; called once before the entry point. */
  readonly initialize: string | null;
  /**
   * The entry point's export name and whether it returns an i32 exit status. `isHttp`: it answers a request through
   * wasi:http, without CGI; absent: false.
   */
  readonly entry: { readonly name: string; readonly returnsStatus: boolean; readonly isHttp?: boolean };
  /** ABIs that the imports belong to; what detection found. */
  readonly abis: readonly AbiName[];
  /**
   * Export name of the hidden function that sets all mutable globals back to their first values, without gas. Absent
   * where there are none, and in Artifacts of meter version 4 and below: their globals are set one by one.
   */
  readonly restore?: string;
  /** Hidden export names of mutable globals, with type: all of them in Artifacts of meter version 4 and below. */
  readonly mutableGlobals: readonly { readonly exportName: string; readonly type: ValType }[];
  /** Hidden export name of the table, if there is one. */
  readonly table: { readonly exportName: string; readonly initial: number } | null;
  /** Initial entries of all tables. Absent in Artifacts of meter version 3 and below: there is the one in `table`. */
  readonly tableEntries?: number;
  /**
   * What the code contains that changes state besides memory and globals. An instance of a
   * module where all are false can be recycled by restoring memory and globals.
   */
  readonly mutates: {
    /** table.set, grow, fill, copy, init */
    readonly table: boolean;
    /** data.drop, elem.drop, and memory.init / table.init whose segment could be dropped */
    readonly segments: boolean;
  };
}

/** What rewriting alone tells of a module: the same bytes give the same on every machine. */
export interface RewrittenModule {
  /** SHA-256 of the original bytes, hex. */
  readonly sha256: string;
  /** Version of the cost table and the rewriting; part of the Artifact's name. */
  readonly meterVersion: number;
  readonly originalBytes: number;
  readonly plan: InstancePlan;
  /** Feature names used, e.g. 'simd', 'bulk-memory'. */
  readonly features: readonly string[];
  readonly functions: number;
  /** Absent where a module was pushed, not a component. */
  readonly component?: LinkedFrom;
  /** Absent where the start-up has not been run: it runs in each call, if there is one. */
  readonly snapshot?: SnapshotFacts;
}

/** Version of the way in which snapshots are written down; part of the Artifact's name. */
export const SNAPSHOT_VERSION = 1;

/** A start-up that was run at the push. */
export interface SnapshotFacts {
  readonly version: number;
  /** SHA-256, hex, of the module with its image, before metering: everything that the Artifact is made from. */
  readonly sha256: string;
  /** Exports that were run, in order. */
  readonly startUp: readonly string[];
  /** Size of that module, in bytes. */
  readonly bytes: number;
  /** Pages that the memory has at the beginning of a call. */
  readonly memoryPages: number;
  readonly gas: number;
  /** Milliseconds that the start-up took, on the machine of the push. */
  readonly savedMs: number;
}

/** The component that a module was linked from. */
export interface LinkedFrom {
  /** Part of the Artifact's name. */
  readonly linkerVersion: number;
  /** The exported interface that the entry point calls, as the component names it: `wasi:cli/run@0.2.3`. */
  readonly entry: string;
  /** Number of functions that the component imports from the host. */
  readonly functions: number;
}

/** What a start-up did that its owner should know of. */
export interface StartUpReport {
  /** Lines of its output and its log, in order. */
  readonly output: readonly string[];
  /** Lines beyond what is kept. */
  readonly outputDropped: number;
  /** Names of calls whose results the image now holds for good, by what they gave. */
  readonly frozen: readonly string[];
  /** Whether the environment or the arguments were read: a program that keeps a copy does not see a request's. */
  readonly hasReadEnvironment: boolean;
}

/** What the vet child measured with the engine, on the machine of the push. */
export interface ModuleMeasures {
  /**
   * Bytes of machine code that the engine's baseline compiler made of the whole module, as committed memory. A
   * runner that has compiled the module holds that much; the optimising compiler adds to it, for hot functions only.
   */
  readonly codeBytes: number;
  /**
   * Processor time of one instantiation in microseconds, the new memory included; median of 5. A runner that makes
   * an instance blocks its event loop for that long.
   */
  readonly instantiationUs: number;
}

/** A module after vetting: everything that a runner must know of it. */
export interface VettedModule extends RewrittenModule, ModuleMeasures {}

/**
 * Baseline machine code per byte of the original module, rounded up; measured: 4.9 (esbuild), 5.4 (Ruby), 7.3
 * (SQLite), 6.9 (a C program of 29 KB).
 */
const codeBytesPerByte = 8;

/**
 * Completes `module` with estimates where it carries no measures: Artifacts stored before measures existed, and
 * modules that were rewritten outside of a vet child. The estimate of `codeBytes` is too high rather than too low;
 * `instantiationUs` is 0.
 */
export function withMeasures(module: RewrittenModule & Partial<ModuleMeasures>): VettedModule {
  return { codeBytes: module.originalBytes * codeBytesPerByte, instantiationUs: 0, ...module };
}

/**
 * Returns an Artifact's name: original bytes, meter version and, for a component, linker version decide the rewritten
 * bytes. That of a snapshot is named by the module with its image: a start-up may use random numbers and clocks, so
 * nothing less says what it has become.
 */
export function artifactName(module: {
  readonly sha256: string;
  readonly meterVersion: number;
  readonly component?: Pick<LinkedFrom, 'linkerVersion'> | undefined;
  readonly snapshot?: Pick<SnapshotFacts, 'sha256' | 'version'> | undefined;
}): string {
  const { sha256, meterVersion, component, snapshot } = module;
  if (snapshot !== undefined) return `${snapshot.sha256}-m${meterVersion}-s${snapshot.version}`;
  const linker = component === undefined ? '' : `-l${component.linkerVersion}`;
  return `${sha256}-m${meterVersion}${linker}`;
}
