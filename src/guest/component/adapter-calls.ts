/** What an adapter (adapter.ts) is made of: the two sides of a call, and the functions that its code calls. */
import type { ByteWriter } from '../wasm/format/writer.ts';
import type { CallStyle } from './flatten.ts';
import type { FunctionType, TextEncoding } from './wit.ts';

/** What one side of a call gives the adapter. Functions and globals are indices in the glue module. */
export interface AdapterSide {
  /** Number of the component instance. */
  readonly component: number;
  readonly memory: AdapterMemory | null;
  /** Names the memory and the encoding: two sides with the same name lift alike. */
  readonly lifting: string;
  /** Function of type reallocType; null: the side has none. */
  readonly realloc: number | null;
  readonly encoding: TextEncoding;
}

export interface AdapterMemory {
  /** Global with the address at which the memory begins. */
  readonly base: number;
  /** (pointer, length) -> address. Traps for a range outside. */
  readonly range: number;
}

/** Indices of the functions and globals that code calls which copies values. */
export interface CopyCalls {
  /** Host functions for texts, of (pointer, length). */
  readonly text: number;
  readonly transcode: number;
  readonly transcoded: number;
  /**
   * Host functions that hand resource handles over: owned, lent, and lent to the component that defines the resource.
   */
  readonly pass: number;
  readonly lend: number;
  readonly lendRep: number;
  /** Host functions that pass ends of streams and futures on, by endName, and error contexts, by `error-context`. */
  readonly passEnd: ReadonlyMap<string, number>;
  /** Numbers of the component instances that define resources, by resource id. Absent: a resource of the host. */
  readonly definers: ReadonlyMap<string, number>;
  /** Global that is 1 while `realloc` or `post-return` runs: neither may call another component. */
  readonly confined: number;
}

export interface AdapterCalls extends CopyCalls {
  readonly type: FunctionType;
  readonly caller: AdapterSide;
  readonly callee: AdapterSide;
  /** Core functions: the one that is called, and the one that frees its results (null: there is none). */
  readonly target: number;
  readonly postReturn: number | null;
  /** Host functions that begin and end the loans of a call. */
  readonly called: number;
  readonly returned: number;
  /**
   * Globals of the calls that run in the caller and in the callee (GluePieces.callGlobals); the caller's may be left
   * out.
   */
  readonly callerGlobals: readonly number[];
  readonly calleeGlobals: readonly [number, number, number];
}

/**
 * What an asynchronous call gives the adapter besides. Functions are indices of host functions in the glue module,
 * which glue-hosts.ts names.
 */
export interface TaskCalls {
  readonly lowering: 'sync' | 'async';
  readonly lifting: CallStyle;
  readonly enter: number;
  readonly arg: number;
  readonly result: number;
  readonly returned: number;
  readonly keep: number;
  readonly lends: number;
  readonly leave: number;
  /** Writes code that tells the host that the callee makes the next call. */
  readonly select: (code: ByteWriter) => void;
}
