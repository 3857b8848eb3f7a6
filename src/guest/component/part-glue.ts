/**
 * What glue knows of a call of one part by another, and the imports that the code of such a call needs (adapter.ts).
 */
import type { AdapterCalls, AdapterSide } from './adapter-calls.ts';
import { type CallStyle, reallocType } from './flatten.ts';
import {
  type GlueCall,
  hostCalled,
  hostLend,
  hostLendRep,
  hostPass,
  hostReturned,
  hostText,
  hostTranscode,
  hostTranscoded,
  passType,
} from './glue-hosts.ts';
import type { GlueModule } from './glue-module.ts';
import type { GluePieces } from './glue-pieces.ts';
import type { Part } from './graph.ts';
import { memoryExports } from './memories.ts';
import type { ImportTarget } from './unit.ts';
import type { FunctionType, TextEncoding } from './wit.ts';

/** One side of a call between parts. */
export interface PartOptions extends Part {
  readonly realloc: ImportTarget | null;
  readonly encoding: TextEncoding;
}

export interface PartCall {
  readonly type: FunctionType;
  readonly caller: PartOptions;
  readonly callee: PartOptions;
  readonly target: GlueCall;
  readonly postReturn: ImportTarget | null;
  readonly definers: ReadonlyMap<string, number>;
  /**
   * Host functions that pass the ends of streams and futures in the type on, by endName, and error contexts, by
   * `error-context`.
   */
  readonly ends: ReadonlyMap<string, ImportTarget>;
}

export interface AsyncPartCall extends PartCall {
  readonly lowering: 'sync' | 'async';
  readonly lifting: CallStyle;
  readonly callback: ImportTarget | null;
  /** The callee's realloc, for the results of its own asynchronous calls; null: none of them has lists. */
  readonly realloc: ImportTarget | null;
  /** The two parts as they call the host for events. */
  readonly callerPart: Part;
  readonly calleePart: Part;
}

/**
 * Imports what a call between two parts needs, and returns it for the code that is written. `hasTasks`: whether parts
 * call each other asynchronously.
 */
export function adapterCalls(
  pieces: GluePieces,
  hasTasks: boolean,
  { type, caller, callee, target, postReturn, definers, ends }: PartCall,
): AdapterCalls {
  const { module } = pieces;
  const results = target.type.results;
  return {
    type,
    caller: adapterSide(module, caller),
    callee: adapterSide(module, callee),
    target: module.import(target.target, target.type),
    postReturn: postReturn === null ? null : module.import(postReturn, { params: results, results: [] }),
    text: module.import(hostText, hostText.type),
    transcode: module.import(hostTranscode, hostTranscode.type),
    transcoded: module.import(hostTranscoded, hostTranscoded.type),
    pass: module.import(hostPass, hostPass.type),
    lend: module.import(hostLend, hostLend.type),
    called: module.import(hostCalled, hostCalled.type),
    returned: module.import(hostReturned, hostReturned.type),
    lendRep: module.import(hostLendRep, hostLendRep.type),
    passEnd: new Map([...ends].map(([name, target]) => [name, module.import(target, passType)])),
    definers,
    confined: pieces.confined,
    callerGlobals: hasTasks ? pieces.callGlobals(caller.component) : [],
    calleeGlobals: pieces.callGlobals(callee.component),
  };
}

/** Returns one side of calls between parts, for the code that lifts or lowers its values. */
export function adapterSide(
  module: GlueModule,
  { component, memory, hasOnlyMemory, realloc, encoding }: PartOptions,
): AdapterSide {
  const unit = module.memoriesUnit;
  const range = (number: number) =>
    module.import(
      { kind: 'unit', unit, name: memoryExports.range(number) },
      { params: ['i32', 'i32'], results: ['i32'] },
    );
  return {
    component,
    memory: memory === null ? null : { base: 2 * memory, range: range(memory) },
    lifting: JSON.stringify([memory, hasOnlyMemory, encoding]),
    realloc: realloc === null ? null : module.import(realloc, reallocType),
    encoding,
  };
}
