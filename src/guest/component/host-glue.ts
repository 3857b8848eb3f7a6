/**
 * Writes the functions of glue around calls of the host: they select a memory, wait, and allocate the lists of results.
 */
import type { FuncType } from '../../protocol/module.ts';
import { constant, emptyBlock, op } from '../wasm/format/instructions.ts';
import type { ByteWriter } from '../wasm/format/writer.ts';
import { reallocType } from './flatten.ts';
import {
  asyncModule,
  hostStoreResult,
  hostStoreUnstored,
  hostTake,
  hostUnstoredPart,
  hostUnwaiting,
} from './glue-hosts.ts';
import type { GlueModule } from './glue-module.ts';
import { type GluePieces, putParams } from './glue-pieces.ts';
import type { Part } from './graph.ts';
import type { TaskGlue } from './task-glue.ts';
import type { ImportTarget } from './unit.ts';
import type { TextEncoding } from './wit.ts';

/** A part that may read what another one writes, with its memory. */
export interface Reader {
  readonly part: Part;
  /** Allocates the lists of what it reads; null: there are none. */
  readonly realloc: ImportTarget | null;
}

/** How glue calls a function of the host. */
export interface HostCall {
  readonly host: ImportTarget;
  readonly type: FuncType;
  /** Allocates the lists of the result; null: the result has none. */
  readonly realloc: ImportTarget | null;
  /** The part that calls; null: the component is not composed. */
  readonly part: Part | null;
  readonly encoding: TextEncoding;
  /** Parts that may read what the call writes, with their memories; absent: the call writes to nobody. */
  readonly readers?: readonly Reader[];
  /**
   * Whether the call waits, or may, as one of an asynchronous function does. A function that must not wait traps at it;
   * at a function of the canonical ABI only where that would wait.
   */
  readonly isWaiting?: boolean;
  /** Whether the component is not composed, and no call of it may wait. */
  readonly isUnwaiting?: boolean;
}

/** Adds the functions with which code of the component calls functions of the host. */
export class HostGlue {
  readonly #module: GlueModule;
  readonly #pieces: GluePieces;
  readonly #tasks: () => TaskGlue | null;
  /** Name of the function that #settle calls; null: it was not needed yet. */
  #settling: string | null = null;

  /** `tasks` returns the functions of asynchronous calls between parts; null: no part makes any. */
  constructor(pieces: GluePieces, tasks: () => TaskGlue | null) {
    this.#module = pieces.module;
    this.#pieces = pieces;
    this.#tasks = tasks;
  }

  /**
   * Adds a function that calls a function of the host and allocates the lists of its result. Returns the name of its
   * export.
   */
  call({ host, type, realloc, part, encoding, readers, isWaiting = false, isUnwaiting = false }: HostCall): string {
    const settle = this.#settle(readers);
    const call = this.#module.import(host, type);
    const select = this.#pieces.selector(part);
    const encode = this.#pieces.encoder(encoding);
    const fill = realloc === null ? null : this.#pieces.filler(this.#module.import(realloc, reallocType), part);
    const isOfAbi = host.kind === 'host' && host.module === asyncModule;
    const trapIfUnwaiting = isWaiting && part !== null && !isOfAbi ? this.#pieces.unwaitingTrap(part) : null;
    const checkWait = isWaiting && part !== null && isOfAbi ? this.#pieces.waitCheck(part) : null;
    const unwaiting = isUnwaiting ? this.#module.import(hostUnwaiting, hostUnwaiting.type) : null;
    const switching =
      isWaiting && part !== null && this.#tasks() !== null
        ? { keep: this.#pieces.callKeeper(part), store: this.#module.import(hostStoreResult, hostStoreResult.type) }
        : null;
    return this.#module.add(type, switching === null ? 0 : 3, (code) => {
      this.#pieces.trapIfConfined(code, part);
      trapIfUnwaiting?.(code);
      select(code);
      encode(code, encoding);
      const callHost = (): void => {
        checkWait?.(code);
        if (unwaiting !== null) code.instruction(op.call, unwaiting);
        putParams(code, type.params);
        code.instruction(op.call, call);
      };
      if (switching === null) callHost();
      else {
        switching.keep(code, type.params.length, callHost);
        select(code);
        code.instruction(op.call, switching.store);
      }
      if (fill !== null) this.#module.call(code, fill);
      encode(code, 'utf8');
      settle(code);
    });
  }

  /**
   * Adds a function that waits until the waitable set of its first parameter has an event, and then calls the function
   * `name` of the glue module; null: one that lets other tasks go first.
   */
  waiting(name: string | null, type: FuncType, part: Part): string {
    const local = type.params.length;
    if (name === null) {
      const turn = this.#taskGlue().turn(part);
      return this.#module.add(type, 3, (code) => turn(code, local));
    }
    const waitFor = this.#taskGlue().waitFor('set', part);
    return this.#module.add(type, 3, (code) => {
      waitFor(code, local, () => code.instruction(op.localGet, 0));
      putParams(code, type.params);
      this.#module.call(code, name);
    });
  }

  /**
   * Adds a function that starts a copy or `subtask.cancel`, and waits for its end unless it is `isAsync`. `started` is
   * the function of the host that starts it. If it `hasPayload`, it returns the payload of the event, or -1 when the
   * end has not come yet; otherwise nothing. Returns the name of its export.
   */
  waitingFor(started: HostCall, isAsync: boolean, hasPayload: boolean): string {
    const { host, type, realloc, part, readers } = started;
    if (part === null) throw new Error('a part was expected');
    const waitFor = this.#taskGlue().waitFor('waitable', part);
    const select = this.#pieces.selector(part);
    const keep = this.#pieces.callKeeper(part);
    const start = this.#module.import(host, type);
    const take = this.#module.import(hostTake, hostTake.type);
    const fill = realloc === null ? null : this.#pieces.filler(this.#module.import(realloc, reallocType), part);
    const payload = type.params.length;
    const settle = this.#settle(readers);
    return this.#module.add({ params: type.params, results: ['i32'] }, 4, (code) => {
      this.#pieces.trapIfConfined(code, part);
      select(code);
      keep(code, payload + 1, () => {
        putParams(code, type.params);
        code.instruction(op.call, start);
      });
      select(code);
      if (hasPayload) code.instruction(op.localTee, payload);
      else constant(code, -1);
      constant(code, -1);
      code.raw(Uint8Array.of(op.i32Eq, op.if, emptyBlock));
      settle(code);
      if (!isAsync) waitFor(code, payload + 1, () => code.instruction(op.localGet, 0));
      code.instruction(op.localGet, 0);
      code.instruction(op.call, take);
      code.instruction(op.localSet, payload);
      code.u8(op.end);
      if (fill !== null) this.#module.call(code, fill);
      settle(code);
      code.instruction(op.localGet, payload);
    });
  }

  /** Returns a function that writes code that stores, in the memories of `readers`, what a copy has brought them. */
  #settle(readers: readonly Reader[] = []): (code: ByteWriter) => void {
    if (readers.length === 0) return () => undefined;
    this.#settling ??= this.#addSettling(readers);
    const name = this.#settling;
    return (code) => this.#module.call(code, name);
  }

  #addSettling(readers: readonly Reader[]): string {
    const partOf = this.#module.import(hostUnstoredPart, hostUnstoredPart.type);
    const store = this.#module.import(hostStoreUnstored, hostStoreUnstored.type);
    const storing = readers.map(({ part, realloc }) => ({
      component: part.component,
      select: this.#pieces.selector(part),
      fill: realloc === null ? null : this.#pieces.filler(this.#module.import(realloc, reallocType), part),
    }));
    return this.#module.add({ params: [], results: [] }, 1, (code) => {
      code.raw(Uint8Array.of(op.loop, emptyBlock));
      code.instruction(op.call, partOf);
      code.instruction(op.localTee, 0);
      code.raw(Uint8Array.of(op.if, emptyBlock));
      for (const { component, select, fill } of storing) {
        code.instruction(op.localGet, 0);
        constant(code, component);
        code.raw(Uint8Array.of(op.i32Eq, op.if, emptyBlock));
        select(code);
        code.instruction(op.call, store);
        if (fill !== null) this.#module.call(code, fill);
        code.instruction(op.br, 2);
        code.u8(op.end);
      }
      code.raw(Uint8Array.of(op.unreachable, op.end, op.end));
    });
  }

  #taskGlue(): TaskGlue {
    const tasks = this.#tasks();
    if (tasks === null) throw new Error('a wait of a component without tasks');
    return tasks;
  }
}
