/** Pieces of code that stand around the linker's calls, of the host and of the component. */
import type { FuncType } from '../../protocol/module.ts';
import { constant, emptyBlock, op } from '../wasm/format/instructions.ts';
import type { ByteWriter } from '../wasm/format/writer.ts';
import { hostEncode, hostMustNotWait, hostNext, hostPut, hostSelect, hostUnwaiting } from './glue-hosts.ts';
import type { GlueModule } from './glue-module.ts';
import type { Part } from './graph.ts';
import { type TextEncoding, textEncodings } from './wit.ts';

export class GluePieces {
  readonly module: GlueModule;
  /** Index of the global that is 1 while `realloc` or `post-return` runs: neither may leave its component. */
  readonly confined: number;
  readonly #fillers = new Map<string, string>();

  constructor(module: GlueModule) {
    this.module = module;
    this.confined = module.global('confined');
  }

  /** Writes a trap for code of `realloc` and `post-return`, which may not leave its component. */
  trapIfConfined(code: ByteWriter, part: Part | null): void {
    if (part !== null) this.trapIfConfinedAnyhow(code);
  }

  /** Writes that trap in a component that is composed. */
  trapIfConfinedAnyhow(code: ByteWriter): void {
    code.instruction(op.globalGet, this.confined);
    code.raw(Uint8Array.of(op.if, emptyBlock, op.unreachable, op.end));
  }

  /** Writes a change of the global that is 1 while `realloc` or `post-return` runs. */
  confine(code: ByteWriter, part: Part | null, value: 0 | 1): void {
    if (part === null) return;
    constant(code, value);
    code.instruction(op.globalSet, this.confined);
  }

  /**
   * Globals that belong to the call that runs in component instance `component`: its context, and whether it must not
   * wait, as the type of its function is not asynchronous.
   */
  callGlobals(component: number): readonly [number, number, number] {
    return [
      this.module.global(`context ${component} 0`),
      this.module.global(`context ${component} 1`),
      this.module.global(`unwaiting ${component}`),
    ];
  }

  /**
   * Returns a function that writes `act`, during which other calls may run in the part: the globals of this call are
   * the same after it. It uses three locals from `local` on; what `act` leaves on the stack stays there.
   */
  callKeeper({ component }: Pick<Part, 'component'>): (code: ByteWriter, local: number, act: () => void) => void {
    const globals = this.callGlobals(component);
    return (code, local, act) => {
      globals.forEach((global, index) => {
        code.instruction(op.globalGet, global);
        code.instruction(op.localSet, local + index);
      });
      act();
      globals.forEach((global, index) => {
        code.instruction(op.localGet, local + index);
        code.instruction(op.globalSet, global);
      });
    };
  }

  /** Returns a function that writes a trap for a call of the part that must not wait. */
  unwaitingTrap(part: Part): (code: ByteWriter) => void {
    return this.#ifUnwaiting(part, hostMustNotWait);
  }

  /**
   * Returns a function that writes what comes before a call of the host that may wait: where the part must not, the
   * call traps unless what it waits for is there.
   */
  waitCheck(part: Part): (code: ByteWriter) => void {
    return this.#ifUnwaiting(part, hostUnwaiting);
  }

  #ifUnwaiting({ component }: Part, host: typeof hostMustNotWait | typeof hostUnwaiting): (code: ByteWriter) => void {
    const call = this.module.import(host, host.type);
    const [, , unwaiting] = this.callGlobals(component);
    return (code) => {
      code.instruction(op.globalGet, unwaiting);
      code.raw(Uint8Array.of(op.if, emptyBlock));
      code.instruction(op.call, call);
      code.u8(op.end);
    };
  }

  /** Returns a function that writes code that tells the host which part makes the next call. */
  selector(part: Part | null): (code: ByteWriter) => void {
    if (part === null) return () => undefined;
    const select = this.module.import(hostSelect, hostSelect.type);
    const { component, memory, hasOnlyMemory } = part;
    return (code) => {
      constant(code, component);
      if (memory === null) {
        // A part without a memory reaches no byte of the others.
        constant(code, 0);
        constant(code, hasOnlyMemory ? -1 : 0);
      } else {
        code.instruction(op.globalGet, 2 * memory);
        code.instruction(op.globalGet, 2 * memory + 1);
      }
      code.instruction(op.call, select);
    };
  }

  /** Returns a function that writes code that sets the encoding of strings; nothing for calls in UTF-8. */
  encoder(used: TextEncoding): (code: ByteWriter, encoding: TextEncoding) => void {
    if (used === 'utf8') return () => undefined;
    const encode = this.module.import(hostEncode, hostEncode.type);
    return (code, encoding) => {
      constant(code, textEncodings.indexOf(encoding));
      code.instruction(op.call, encode);
    };
  }

  /**
   * Adds a function that allocates with `realloc` all memory that the host asks for `part`. Returns the name of its
   * export.
   */
  filler(realloc: number, part: Part | null): string {
    const key = JSON.stringify([realloc, part]);
    const known = this.#fillers.get(key);
    if (known !== undefined) return known;
    const select = this.selector(part);
    const next = this.module.import(hostNext, hostNext.type);
    const put = this.module.import(hostPut, hostPut.type);
    const name = this.module.add({ params: [], results: [] }, 1, (code) => {
      code.raw(Uint8Array.of(op.loop, emptyBlock));
      code.instruction(op.call, next);
      code.instruction(op.localTee, 0);
      code.raw(Uint8Array.of(op.if, emptyBlock));
      this.confine(code, part, 1);
      constant(code, 0);
      constant(code, 0);
      constant(code, 1);
      // The alignment, then the size, as Allocations.next packs them.
      code.instruction(op.localGet, 0);
      constant(code, 1);
      code.u8(op.i32ShrU);
      constant(code, 3);
      code.u8(op.i32And);
      code.u8(i32Shl);
      code.instruction(op.localGet, 0);
      constant(code, 3);
      code.u8(op.i32ShrU);
      code.instruction(op.call, realloc);
      if (part !== null) {
        // realloc may have moved the part's memory.
        code.instruction(op.localSet, 0);
        this.confine(code, part, 0);
        select(code);
        code.instruction(op.localGet, 0);
      }
      code.instruction(op.call, put);
      code.instruction(op.br, 1);
      code.raw(Uint8Array.of(op.end, op.end));
    });
    this.#fillers.set(key, name);
    return name;
  }
}

/** Puts all parameters of a function on the stack. */
export function putParams(code: ByteWriter, params: FuncType['params']): void {
  for (let index = 0; index < params.length; index += 1) code.instruction(op.localGet, index);
}

const i32Shl = 0x74;
