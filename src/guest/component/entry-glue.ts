/** Writes the entry point of the linked module, which calls the exported function of the component. */
import { constant, emptyBlock, op } from '../wasm/format/instructions.ts';
import type { ByteWriter } from '../wasm/format/writer.ts';
import { callbackType, reallocType } from './flatten.ts';
import { type GlueCall, hostEntryEvent, hostEventHandle, hostEventPayload, hostNextEvent } from './glue-hosts.ts';
import type { GluePieces } from './glue-pieces.ts';
import type { Part } from './graph.ts';
import type { TaskGlue } from './task-glue.ts';
import type { ImportTarget } from './unit.ts';
import type { TextEncoding } from './wit.ts';

export interface EntryCalls {
  /** The part that has the entry point; null: the component is not composed. */
  readonly part: Part | null;
  /** Functions without parameters; each returns one argument of `func`. */
  readonly args: readonly GlueCall[];
  /** The function that the entry point calls. Its core function returns nothing or one i32. */
  readonly func: GlueCall;
  /** Host function that takes the pointer to a result in memory; absent: the result is that of the entry point. */
  readonly result?: GlueCall;
  readonly postReturn: ImportTarget | null;
  /** Whether the type of the function is asynchronous: it may wait. */
  readonly isAsync: boolean;
  readonly encoding: TextEncoding;
}

export interface AsyncEntryCalls extends Omit<EntryCalls, 'postReturn' | 'encoding' | 'isAsync'> {
  /** The component's callback, which gets events; null: the entry point itself waits, and returns at its end. */
  readonly callback: ImportTarget | null;
  /** Host function that checks that the task has returned. Its result is that of the entry point. */
  readonly finished: GlueCall;
  /** The component's realloc, for the results of asynchronous calls; null: none of them has lists. */
  readonly realloc: ImportTarget | null;
}

/** What entry points are written with. `tasks` is null if no part calls another one asynchronously. */
interface Entering {
  readonly pieces: GluePieces;
  readonly tasks: TaskGlue | null;
}

/** Writes the beginning of an entry point: `begin` stands before all, and `call` gets the results of `before`. */
function enter(
  code: ByteWriter,
  {
    begin,
    select,
    before,
    call,
  }: {
    /** Null: there are no tasks. */
    readonly begin: ((code: ByteWriter) => void) | null;
    readonly select: (code: ByteWriter) => void;
    readonly before: readonly number[];
    readonly call: number;
  },
): void {
  begin?.(code);
  select(code);
  for (const index of before) code.instruction(op.call, index);
  code.instruction(op.call, call);
}

/**
 * Adds the entry point under `name`. It calls `func` with the results of `args`, calls `postReturn` with the result,
 * and returns the result.
 */
export function addEntry(
  { pieces, tasks }: Entering,
  name: string,
  { part, args, func, result: taken, postReturn, isAsync, encoding }: EntryCalls,
): void {
  const { module } = pieces;
  const [result] = func.type.results;
  const select = pieces.selector(part);
  const encode = pieces.encoder(encoding);
  const unwaiting = part === null || isAsync ? null : pieces.callGlobals(part.component)[2];
  const begin = tasks === null || part === null ? null : tasks.beginEntry(part, true);
  const take = taken === undefined ? null : module.import(taken.target, taken.type);
  const before = args.map(({ target, type }) => module.import(target, type));
  const call = module.import(func.target, func.type);
  const after = postReturn === null ? null : module.import(postReturn, { params: func.type.results, results: [] });
  const waitForAll = tasks?.waitForAll() ?? (() => undefined);
  module.addExport(name, {
    type: { params: [], results: take === null ? func.type.results : [] },
    locals: result === undefined ? 0 : 1,
    write: (code) => {
      if (unwaiting !== null) {
        constant(code, 1);
        code.instruction(op.globalSet, unwaiting);
      }
      enter(code, { begin, select, before, call });
      if (take !== null) {
        code.instruction(op.localSet, 0);
        select(code);
        encode(code, encoding);
        code.instruction(op.localGet, 0);
        code.instruction(op.call, take);
        encode(code, 'utf8');
        waitForAll(code);
        if (after === null) return;
        pieces.confine(code, part, 1);
        code.instruction(op.localGet, 0);
        code.instruction(op.call, after);
        return;
      }
      waitForAll(code);
      if (after === null) return;
      pieces.confine(code, part, 1);
      if (result !== undefined) code.instruction(op.localTee, 0);
      code.instruction(op.call, after);
      if (result !== undefined) code.instruction(op.localGet, 0);
    },
  });
}

/**
 * Adds the entry point of an asynchronous function under `name`. It calls `func` with the results of `args`; while the
 * result asks for an event, it waits for one and passes it to the callback.
 */
export function addAsyncEntry(
  { pieces, tasks }: Entering,
  name: string,
  { part, args, func, callback, finished, realloc }: AsyncEntryCalls,
): void {
  const { module } = pieces;
  const select = pieces.selector(part);
  const begin = tasks === null || part === null ? null : tasks.beginEntry(part, callback !== null);
  const before = args.map(({ target, type }) => module.import(target, type));
  const call = module.import(func.target, func.type);
  const after = module.import(finished.target, finished.type);
  const again = callback === null ? null : module.import(callback, callbackType);
  const nextEvent = tasks === null ? hostNextEvent : hostEntryEvent;
  const [next, handle, payload] = [nextEvent, hostEventHandle, hostEventPayload].map((target) =>
    module.import(target, target.type),
  ) as [number, number, number]; // as many as above
  const fill = realloc === null ? null : pieces.filler(module.import(realloc, reallocType), part);
  const waitEntry = tasks === null || part === null ? null : tasks.waitEntry(part);
  const waitForAll = tasks?.waitForAll() ?? (() => undefined);
  module.addExport(name, {
    type: { params: [], results: finished.type.results },
    locals: 5,
    write: (code) => {
      enter(code, { begin, select, before, call });
      if (again !== null) {
        code.instruction(op.localSet, 0);
        code.raw(Uint8Array.of(op.loop, emptyBlock));
        code.instruction(op.localGet, 0);
        constant(code, 15);
        code.u8(op.i32And);
        code.raw(Uint8Array.of(op.if, emptyBlock));
        waitEntry?.(code, 0, 2);
        select(code);
        code.instruction(op.localGet, 0);
        code.instruction(op.call, next);
        code.instruction(op.localSet, 1);
        if (fill !== null) module.call(code, fill);
        code.instruction(op.localGet, 1);
        code.instruction(op.call, handle);
        code.instruction(op.call, payload);
        code.instruction(op.call, again);
        code.instruction(op.localSet, 0);
        code.instruction(op.br, 1);
        code.raw(Uint8Array.of(op.end, op.end));
      }
      waitForAll(code);
      code.instruction(op.call, after);
    },
  });
}
