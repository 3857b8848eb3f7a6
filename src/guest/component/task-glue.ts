/**
 * Writes the functions of asynchronous calls between parts. A call makes a task of the callee, which the host numbers
 * (src/guest/kernel/canonical/async/tasks.ts). The host runs it on a stack of its own, through the export `taskEntry`:
 * it begins the task that the host says, or calls its callback. So a task waits wherever it wants, and its caller goes
 * on.
 *
 * Tasks of one part have the globals of its calls in common (GluePieces.callGlobals): code that hands the thread on
 * keeps them in its locals, and selects its part again afterwards.
 */
import type { FuncType } from '../../protocol/module.ts';
import { constant, emptyBlock, op } from '../wasm/format/instructions.ts';
import type { ByteWriter } from '../wasm/format/writer.ts';
import { taskReturnType, writeReturn, writeTask } from './adapter.ts';
import type { AdapterCalls, AdapterSide, TaskCalls } from './adapter-calls.ts';
import { conversion, wordOf } from './adapter-code.ts';
import { type CallStyle, flattenFunction } from './flatten.ts';
import type { GluePieces } from './glue-pieces.ts';
import type { Part } from './graph.ts';
import { sameWitType, type WitType } from './wit.ts';

/** Export name of the function that runs a task. */
export const taskEntry = 'trisiel:task';

/** What task functions use of the glue module. */
export interface GlueParts {
  readonly host: (name: string, params: FuncType['params'], results: FuncType['results']) => number;
  readonly add: (type: FuncType, locals: number, write: (code: ByteWriter) => void) => string;
  readonly addBody: (type: FuncType, body: () => Uint8Array) => string;
  readonly addExport: (name: string, locals: number, write: (code: ByteWriter) => void) => void;
  readonly call: (code: ByteWriter, name: string) => void;
  readonly pieces: GluePieces;
}

/** A call of one part by another whose type is asynchronous. */
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

  constructor(glue: GlueParts) {
    this.#glue = glue;
    this.#addTaskEntry();
  }

  #host(name: string, params: FuncType['params'], results: FuncType['results'] = []): number {
    return this.#glue.host(name, params, results);
  }

  /** Adds the function through which the caller calls the callee. Returns the name of its export. */
  call(site: TaskSite): string {
    const { call, lowering, lifting, caller, callee } = site;
    const { pieces } = this.#glue;
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
      select: pieces.selector(callee),
    };
    const begin = this.#glue.addBody({ params: [i32], results: [] }, () => writeTask(call, tasks));
    const number = this.#sites.push({ ...site, tasks, begin, resume: this.#resume(site, tasks) }) - 1;
    const host = {
      begin: this.#host('task-begin', [i32, i32, i32], [i32]),
      push: this.#host('task-push', ['i64']),
      start: this.#host('task-start', [i32]),
      status: this.#host('task-status', [i32], [i32]),
      idle: this.#host('idle-task', [i32]),
      takeResult: this.#host('task-take-result', [i32], ['i64']),
    };
    const select = pieces.selector(caller);
    const keep = pieces.callKeeper(caller);
    const checkWait = pieces.waitCheck(caller);
    const type = flattenFunction(call.type, 'lower', lowering);
    const task = type.params.length;
    const [result] = type.results;
    return this.#glue.add(type, 4, (code) => {
      pieces.trapIfConfined(code, caller);
      constant(code, number);
      constant(code, callee.component);
      constant(code, lifting === 'async' ? 0 : 1);
      code.instruction(op.call, host.begin);
      code.instruction(op.localSet, task);
      type.params.forEach((one, index) => {
        code.instruction(op.localGet, index);
        wordOf(code, one);
        code.instruction(op.call, host.push);
      });
      keep(code, task + 1, () => {
        code.instruction(op.localGet, task);
        code.instruction(op.call, host.start);
      });
      if (lowering === 'sync')
        keep(code, task + 1, () => {
          checkWait(code);
          code.instruction(op.localGet, task);
          code.instruction(op.call, host.idle);
        });
      select(code);
      code.instruction(op.localGet, task);
      if (lowering === 'async') {
        code.instruction(op.call, host.status);
        return;
      }
      code.instruction(op.call, host.takeResult);
      if (result === undefined) code.u8(op.drop);
      if (result === 'i32' || result === 'f32') code.u8(conversion.i32WrapI64);
      if (result === 'f32') code.u8(conversion.f32ReinterpretI32);
      if (result === 'f64') code.u8(conversion.f64ReinterpretI64);
    });
  }

  /**
   * Adds the function that goes on with a task after a wait; null: its tasks do not wait outside of their functions.
   */
  #resume({ call, callback, fill }: TaskSite, tasks: TaskCalls): string | null {
    if (callback === null) return null;
    const take = this.#host('task-take', [i32], [i32]);
    const context = this.#host('task-context', [i32, i32], [i32]);
    const handle = this.#host('event-handle', [], [i32]);
    const payload = this.#host('event-payload', [], [i32]);
    return this.#glue.add({ params: [i32], results: [] }, 2, (code) => {
      const [first, second, unwaiting] = call.calleeGlobals;
      constant(code, 0);
      code.instruction(op.globalSet, unwaiting);
      tasks.select(code);
      code.instruction(op.localGet, 0);
      code.instruction(op.call, take);
      code.instruction(op.localSet, 1);
      code.instruction(op.localGet, 0);
      code.instruction(op.call, tasks.enter);
      if (fill !== null) this.#glue.call(code, fill);
      [first, second].forEach((global, slot) => {
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
      for (const global of [first, second]) code.instruction(op.globalGet, global);
      code.instruction(op.call, tasks.keep);
      tasks.select(code);
      code.instruction(op.localGet, 0);
      code.instruction(op.localGet, 2);
      code.instruction(op.call, tasks.leave);
    });
  }

  /** Adds the export that begins the current task of the host, or goes on with it. */
  #addTaskEntry(): void {
    const current = this.#host('task-current', [], [i32]);
    const siteOf = this.#host('task-place', [i32], [i32]);
    const hasStarted = this.#host('task-started', [i32], [i32]);
    this.#glue.addExport(taskEntry, 2, (code) => {
      code.instruction(op.call, current);
      code.instruction(op.localTee, 0);
      code.instruction(op.call, siteOf);
      code.instruction(op.localSet, 1);
      this.#sites.forEach(({ begin, resume }, number) => {
        code.instruction(op.localGet, 1);
        constant(code, number);
        code.raw(Uint8Array.of(op.i32Eq, op.if, emptyBlock));
        code.instruction(op.localGet, 0);
        code.instruction(op.call, hasStarted);
        code.raw(Uint8Array.of(op.if, emptyBlock));
        if (resume === null) code.u8(op.unreachable);
        else {
          code.instruction(op.localGet, 0);
          this.#glue.call(code, resume);
        }
        code.u8(op.else);
        code.instruction(op.localGet, 0);
        this.#glue.call(code, begin);
        code.raw(Uint8Array.of(op.end, op.return, op.end));
      });
    });
  }

  /**
   * Returns a function that writes a wait of `part` until the set, or the waitable, of which `put` puts the handle has
   * what it waits for. Uses three locals from `local` on.
   */
  waitFor(what: 'set' | 'waitable', part: Part): (code: ByteWriter, local: number, put: () => void) => void {
    const { pieces } = this.#glue;
    const idle = this.#host(`idle-${what}`, [i32]);
    const select = pieces.selector(part);
    const keep = pieces.callKeeper(part);
    const checkWait = pieces.waitCheck(part);
    return (code, local, put) => {
      pieces.trapIfConfined(code, part);
      select(code);
      keep(code, local, () => {
        checkWait(code);
        put();
        code.instruction(op.call, idle);
      });
      select(code);
    };
  }

  /**
   * Returns a function that writes code by which `part` lets other tasks go first, unless it must not wait. Leaves 0 on
   * the stack. Uses three locals from `local` on.
   */
  turn(part: Part): (code: ByteWriter, local: number) => void {
    const { pieces } = this.#glue;
    const idle = this.#host('idle-turn', []);
    const [, , unwaiting] = pieces.callGlobals(part.component);
    const keep = pieces.callKeeper(part);
    return (code, local) => {
      pieces.trapIfConfined(code, part);
      code.instruction(op.globalGet, unwaiting);
      code.raw(Uint8Array.of(op.i32Eqz, op.if, emptyBlock));
      keep(code, local, () => code.instruction(op.call, idle));
      code.u8(op.end);
      constant(code, 0);
    };
  }

  /** Returns a function that writes the beginning of the entry point, which is in `part`. */
  beginEntry(part: Part, isExclusive: boolean): (code: ByteWriter) => void {
    const begin = this.#host('entry-begin', [i32, i32]);
    return (code) => {
      constant(code, part.component);
      constant(code, isExclusive ? 1 : 0);
      code.instruction(op.call, begin);
    };
  }

  /**
   * Returns a function that writes the wait for which the callback of the entry point asks by the code in local
   * `wanted`.
   */
  waitEntry(part: Part): (code: ByteWriter, wanted: number, local: number) => void {
    const { pieces } = this.#glue;
    const wait = this.#host('entry-wait', [i32]);
    const select = pieces.selector(part);
    const keep = pieces.callKeeper(part);
    return (code, wanted, local) => {
      select(code);
      keep(code, local, () => {
        code.instruction(op.localGet, wanted);
        code.instruction(op.call, wait);
      });
    };
  }

  /**
   * Returns a function that writes the end of the entry point: a wait for tasks that go on after they have returned.
   */
  waitForAll(): (code: ByteWriter) => void {
    const idle = this.#host('idle-end', []);
    return (code) => code.instruction(op.call, idle);
  }

  /**
   * Adds the function `task.return` of the part `side`, for tasks of its calls, and for the task of the entry point,
   * which `entry` takes; null: it has another result. Returns the name of its export.
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
          site.call.callee.lifting === side.lifting &&
          sameWitType(site.call.type.result, result)
        )
          returns.set(
            site,
            this.#glue.addBody({ params: [...type.params, i32], results: [] }, () =>
              writeReturn(site.call, site.tasks, side),
            ),
          );
    });
    const { pieces } = this.#glue;
    const [, , unwaiting] = pieces.callGlobals(side.component);
    return this.#glue.add(type, 2, (code) => {
      pieces.trapIfConfinedAnyhow(code);
      // A call of a function that is not asynchronous has no task, though it may run beside one of its part.
      code.instruction(op.globalGet, unwaiting);
      code.raw(Uint8Array.of(op.if, emptyBlock, op.unreachable, op.end));
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
