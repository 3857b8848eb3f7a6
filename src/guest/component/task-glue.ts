/**
 * Writes the functions of asynchronous calls between parts. A call makes a task of the callee, which the host numbers
 * (src/guest/kernel/canonical/async/tasks.ts) and code of the linker runs: no JavaScript frame may lie below code of the
 * guest, so whatever a part waits for, it waits in a loop that first runs the tasks that can go on:
 *
 *     loop { if (idle(what) == 0) break; round() }
 *
 * All tasks share one stack. A task leaves it when its callback or function returns; while it waits inside, its caller
 * waits too.
 */
import type { FuncType } from '../../protocol/module.ts';
import { constant, emptyBlock, op } from '../wasm/format/instructions.ts';
import type { ByteWriter } from '../wasm/format/writer.ts';
import { taskReturnType, writeReturn, writeTask } from './adapter.ts';
import type { AdapterCalls, AdapterSide, TaskCalls } from './adapter-calls.ts';
import { conversion, wordOf } from './adapter-code.ts';
import { type CallStyle, flattenFunction } from './flatten.ts';
import type { Part } from './graph.ts';
import { sameWitType, type WitType } from './wit.ts';

/** What task functions use of the glue module. */
export interface GlueParts {
  readonly host: (name: string, params: FuncType['params'], results: FuncType['results']) => number;
  readonly add: (type: FuncType, locals: number, write: (code: ByteWriter) => void) => string;
  readonly addBody: (type: FuncType, body: () => Uint8Array) => string;
  readonly call: (code: ByteWriter, name: string) => void;
  readonly selector: (part: Part) => (code: ByteWriter) => void;
  readonly trapIfConfined: (code: ByteWriter) => void;
}

/** A call of one part by another of which one side is asynchronous. */
export interface TaskSite {
  readonly call: AdapterCalls;
  readonly lowering: 'sync' | 'async';
  readonly lifting: CallStyle;
  readonly caller: Part;
  readonly callee: Part;
  /** Function of the callback, and what stores the lists of the events that it gets; null: there is none. */
  readonly callback: number | null;
  readonly fill: string | null;
}

interface Site extends TaskSite {
  readonly tasks: TaskCalls;
  readonly begin: string;
  readonly resume: string | null;
}

const i32 = 'i32';

export class TaskGlue {
  readonly #glue: GlueParts;
  readonly #sites: Site[] = [];
  #round: string | null = null;

  constructor(glue: GlueParts) {
    this.#glue = glue;
  }

  #host(name: string, params: FuncType['params'], results: FuncType['results'] = []): number {
    return this.#glue.host(name, params, results);
  }

  /** Adds the function through which the caller calls the callee. Returns the name of its export. */
  call(site: TaskSite): string {
    const { call, lowering, lifting, caller, callee } = site;
    const tasks: TaskCalls = {
      lowering,
      lifting,
      enter: this.#host('task-enter', [i32]),
      arg: this.#host('task-arg', [i32, i32], ['i64']),
      result: this.#host('task-result', [i32, 'i64']),
      returned: this.#host('task-returned', [i32]),
      keep: this.#host('task-keep', [i32, i32, i32]),
      lends: this.#host('task-lends', [i32]),
      leave: this.#host('task-leave', [i32, i32]),
      select: this.#glue.selector(callee),
    };
    const begin = this.#glue.addBody({ params: [i32], results: [] }, () => writeTask(call, tasks));
    const number = this.#sites.push({ ...site, tasks, begin, resume: this.#resume(site, tasks) }) - 1;
    const round = this.round();
    const host = {
      begin: this.#host('task-begin', [i32, i32, i32], [i32]),
      push: this.#host('task-push', ['i64']),
      admit: this.#host('task-admit', [i32], [i32]),
      queue: this.#host('task-queue', [i32]),
      status: this.#host('task-status', [i32], [i32]),
      idle: this.#host('idle-task', [i32], [i32]),
      retry: this.#host('task-retry', []),
      takeResult: this.#host('task-take-result', [i32], ['i64']),
    };
    const select = this.#glue.selector(caller);
    const type = flattenFunction(call.type, 'lower', lowering);
    const task = type.params.length;
    const [result] = type.results;
    return this.#glue.add(type, 1, (code) => {
      this.#glue.trapIfConfined(code);
      constant(code, number);
      constant(code, caller.component);
      constant(code, callee.component);
      code.instruction(op.call, host.begin);
      code.instruction(op.localSet, task);
      type.params.forEach((one, index) => {
        code.instruction(op.localGet, index);
        wordOf(code, one);
        code.instruction(op.call, host.push);
      });
      if (lowering === 'sync') {
        // A part that is in the middle of a call would never take this one: its caller waits.
        code.instruction(op.globalGet, call.entered);
        code.raw(Uint8Array.of(op.if, emptyBlock, op.unreachable, op.end));
      }
      code.instruction(op.localGet, task);
      code.instruction(op.call, host.admit);
      code.instruction(op.globalGet, call.entered);
      code.raw(Uint8Array.of(op.i32Eqz, op.i32And, op.if, emptyBlock));
      code.instruction(op.localGet, task);
      this.#glue.call(code, begin);
      code.u8(op.else);
      code.instruction(op.localGet, task);
      code.instruction(op.call, host.queue);
      code.u8(op.end);
      if (lowering === 'async') {
        select(code);
        code.instruction(op.localGet, task);
        code.instruction(op.call, host.status);
        return;
      }
      code.instruction(op.call, host.retry);
      this.#waits(code, round, () => {
        code.instruction(op.localGet, task);
        code.instruction(op.call, host.idle);
      });
      code.instruction(op.localGet, task);
      code.instruction(op.call, host.takeResult);
      if (result === undefined) code.u8(op.drop);
      if (result === 'i32' || result === 'f32') code.u8(conversion.i32WrapI64);
      if (result === 'f32') code.u8(conversion.f32ReinterpretI32);
      if (result === 'f64') code.u8(conversion.f64ReinterpretI64);
    });
  }

  /** Adds the function that goes on with a task after a wait; null: its tasks do not wait outside of their functions. */
  #resume({ call, callback, fill }: TaskSite, tasks: TaskCalls): string | null {
    if (callback === null) return null;
    const take = this.#host('task-take', [i32], [i32]);
    const context = this.#host('task-context', [i32, i32], [i32]);
    const handle = this.#host('event-handle', [], [i32]);
    const payload = this.#host('event-payload', [], [i32]);
    return this.#glue.add({ params: [i32], results: [] }, 2, (code) => {
      constant(code, 1);
      code.instruction(op.globalSet, call.entered);
      tasks.select(code);
      code.instruction(op.localGet, 0);
      code.instruction(op.call, take);
      code.instruction(op.localSet, 1);
      code.instruction(op.localGet, 0);
      code.instruction(op.call, tasks.enter);
      if (fill !== null) this.#glue.call(code, fill);
      call.context.forEach((global, slot) => {
        code.instruction(op.localGet, 0);
        constant(code, slot);
        code.instruction(op.call, context);
        code.instruction(op.globalSet, global);
      });
      code.instruction(op.localGet, 1);
      code.instruction(op.call, handle);
      code.instruction(op.call, payload);
      code.instruction(op.call, callback);
      code.instruction(op.localSet, 2);
      code.instruction(op.localGet, 0);
      for (const global of call.context) code.instruction(op.globalGet, global);
      code.instruction(op.call, tasks.keep);
      tasks.select(code);
      code.instruction(op.localGet, 0);
      code.instruction(op.localGet, 2);
      code.instruction(op.call, tasks.leave);
      constant(code, 0);
      code.instruction(op.globalSet, call.entered);
    });
  }

  /** Returns the name of the function that runs every task once that can run. */
  round(): string {
    if (this.#round !== null) return this.#round;
    const begin = this.#host('round', []);
    const next = this.#host('round-next', [], [i32]);
    const task = this.#host('round-task', [], [i32]);
    const putOff = this.#host('round-put-off', []);
    this.#round = this.#glue.add({ params: [], results: [] }, 1, (code) => {
      code.instruction(op.call, begin);
      code.raw(Uint8Array.of(op.loop, emptyBlock));
      code.instruction(op.call, next);
      code.instruction(op.localTee, 0);
      code.raw(Uint8Array.of(op.if, emptyBlock));
      this.#sites.forEach(({ call, begin: first, resume }, number) => {
        code.instruction(op.localGet, 0);
        constant(code, 1);
        code.u8(op.i32ShrU);
        constant(code, number + 1);
        code.raw(Uint8Array.of(op.i32Eq, op.if, emptyBlock));
        code.instruction(op.globalGet, call.entered);
        code.raw(Uint8Array.of(op.if, emptyBlock));
        code.instruction(op.call, putOff);
        code.u8(op.else);
        code.instruction(op.localGet, 0);
        constant(code, 1);
        code.raw(Uint8Array.of(op.i32And, op.if, emptyBlock));
        if (resume !== null) {
          code.instruction(op.call, task);
          this.#glue.call(code, resume);
        }
        code.u8(op.else);
        code.instruction(op.call, task);
        this.#glue.call(code, first);
        code.raw(Uint8Array.of(op.end, op.end, op.end));
      });
      code.instruction(op.br, 1);
      code.raw(Uint8Array.of(op.end, op.end));
    });
    return this.#round;
  }

  /** Returns a function that writes a wait of `part` until the set, or the waitable, of which `put` puts the handle has what it waits for. */
  waitFor(what: 'set' | 'waitable', part: Part): (code: ByteWriter, put: () => void) => void {
    const round = this.round();
    const idle = this.#host(`idle-${what}`, [i32], [i32]);
    const retry = this.#host('task-retry', []);
    const select = this.#glue.selector(part);
    return (code, put) => {
      code.instruction(op.call, retry);
      this.#waits(code, round, () => {
        select(code);
        put();
        code.instruction(op.call, idle);
      });
      select(code);
    };
  }

  /** Returns a function that writes the end of the entry point: a wait for tasks that go on after they have returned. */
  waitForAll(): (code: ByteWriter) => void {
    const round = this.round();
    const idle = this.#host('idle-end', [], [i32]);
    const retry = this.#host('task-retry', []);
    return (code) => {
      code.instruction(op.call, retry);
      this.#waits(code, round, () => code.instruction(op.call, idle));
    };
  }

  /** Writes `loop { if (idle() == 0) break; round() }`. */
  #waits(code: ByteWriter, round: string, idle: () => void): void {
    code.raw(Uint8Array.of(op.loop, emptyBlock));
    idle();
    code.raw(Uint8Array.of(op.if, emptyBlock));
    this.#glue.call(code, round);
    code.instruction(op.br, 1);
    code.raw(Uint8Array.of(op.end, op.end));
  }

  /**
   * Adds the function `task.return` of the part `side`, for tasks of its calls, and for the task of the entry point, which
   * `entry` takes; null: it has another result. Returns the name of its export.
   */
  taskReturn(side: AdapterSide, result: WitType | null, entry: ((code: ByteWriter) => void) | null): string {
    const type = taskReturnType(result);
    const running = this.#host('task-running', [i32], [i32]);
    const siteOf = this.#host('task-site', [i32], [i32]);
    const returned = this.#host('task-returned', [i32]);
    const returns = new Map<Site, string>();
    const task = type.params.length;
    const putParams = (code: ByteWriter): void => {
      for (let index = 0; index < type.params.length; index += 1) code.instruction(op.localGet, index);
    };
    // Sites may be added until the module is written, and a function is added before that: so each site has one here.
    this.#returns.push(() => {
      for (const site of this.#sites)
        if (
          site.call.callee.component === side.component &&
          site.lifting !== 'sync' &&
          sameWitType(site.call.type.result, result)
        )
          returns.set(
            site,
            this.#glue.addBody({ params: [...type.params, i32], results: [] }, () =>
              writeReturn(site.call, site.tasks, side),
            ),
          );
    });
    return this.#glue.add(type, 2, (code) => {
      this.#glue.trapIfConfined(code);
      constant(code, side.component);
      code.instruction(op.call, running);
      code.instruction(op.localTee, task);
      code.raw(Uint8Array.of(op.i32Eqz, op.if, emptyBlock));
      if (entry === null) code.u8(op.unreachable);
      else {
        entry(code);
        code.u8(op.return);
      }
      code.u8(op.end);
      code.instruction(op.localGet, task);
      code.instruction(op.call, siteOf);
      code.instruction(op.localSet, task + 1);
      for (const [site, name] of returns) {
        code.instruction(op.localGet, task + 1);
        constant(code, this.#sites.indexOf(site));
        code.raw(Uint8Array.of(op.i32Eq, op.if, emptyBlock));
        putParams(code);
        code.instruction(op.localGet, task);
        this.#glue.call(code, name);
        code.instruction(op.localGet, task);
        code.instruction(op.call, returned);
        code.raw(Uint8Array.of(op.return, op.end));
      }
      code.u8(op.unreachable);
    });
  }

  readonly #returns: (() => void)[] = [];

  /** Adds what depends on all calls. Must be called once, before the glue module is written. */
  finish(): void {
    for (const one of this.#returns) one();
  }
}
