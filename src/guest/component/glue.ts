/**
 * Generates the core module that connects a component's modules with the host. It holds two kinds of functions:
 *
 * - for each host function whose result has lists, a function that calls the host function and then allocates, with
 *   the component's `realloc`, the memory that the host asks for:
 *   `loop { n = next(); if (n == 0) break; put(realloc(0, 0, 1 << (n & 3), n >>> 2)) }`.
 *   No JavaScript frame lies below `realloc`, so its gas is counted and it may suspend, as all guest code;
 * - the entry point, which calls the exported function with its arguments.
 */
import type { FuncType } from '../../protocol/module.ts';
import { op } from '../wasm/format/instructions.ts';
import { valTypeBytes } from '../wasm/format/types.ts';
import { ByteWriter } from '../wasm/format/writer.ts';
import type { ImportTarget } from './fuse.ts';

/** Import module of the functions that only glue calls; src/guest/kernel/abi/wasi2/component/glue.ts provides them. */
export const glueModule = 'trisiel:component/glue';

export const reallocType: FuncType = { params: ['i32', 'i32', 'i32', 'i32'], results: ['i32'] };

interface Call {
  readonly target: ImportTarget;
  readonly type: FuncType;
}

export interface EntryCalls {
  /** Functions without parameters; each returns one argument of `func`. */
  readonly args: readonly Call[];
  /** The function that the entry point calls. Its core function returns nothing or one i32. */
  readonly func: Call;
  readonly postReturn: ImportTarget | null;
}

interface GlueFunction {
  readonly type: FuncType;
  /** Number of locals of type i32; their indices come after those of the parameters. */
  readonly locals: number;
  readonly write: (code: ByteWriter) => void;
  readonly exportName: string | null;
}

/** Import module of everything that glue imports; `resolve` returns the definition of such an import. */
const importModule = 'glue';

export class Glue {
  readonly #imports: { readonly target: ImportTarget; readonly type: FuncType }[] = [];
  readonly #importIndex = new Map<string, number>();
  readonly #functions: GlueFunction[] = [];
  readonly #fillers = new Map<number, string>();

  /**
   * Adds a function that calls `host` and allocates the lists of its result with `realloc`. Returns the name of its
   * export.
   */
  allocating(host: ImportTarget, type: FuncType, realloc: ImportTarget): string {
    const call = this.#import(host, type);
    const fill = this.#filler(this.#import(realloc, reallocType));
    return this.#add(type, 0, (code) => {
      type.params.forEach((_, index) => {
        code.instruction(op.localGet, index);
      });
      code.instruction(op.call, call);
      this.#call(code, fill);
    });
  }

  /**
   * Adds the entry point under `name`. It calls `func` with the results of `args`, calls `postReturn` with the result,
   * and returns the result.
   */
  entry(name: string, { args, func, postReturn }: EntryCalls): void {
    const [result] = func.type.results;
    const before = args.map(({ target, type }) => this.#import(target, type));
    const call = this.#import(func.target, func.type);
    const after = postReturn === null ? null : this.#import(postReturn, { params: func.type.results, results: [] });
    this.#functions.push({
      type: { params: [], results: func.type.results },
      locals: result === undefined ? 0 : 1,
      exportName: name,
      write: (code) => {
        for (const index of before) code.instruction(op.call, index);
        code.instruction(op.call, call);
        if (after === null) return;
        if (result !== undefined) code.instruction(op.localTee, 0);
        code.instruction(op.call, after);
        if (result !== undefined) code.instruction(op.localGet, 0);
      },
    });
  }

  /** Returns the definition that the import `name` of the glue module is connected to; null if there is none. */
  resolve(_module: string, name: string): ImportTarget | null {
    return this.#imports[Number(name)]?.target ?? null;
  }

  write(): Uint8Array {
    const writer = new ByteWriter(4096);
    writer.raw(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
    const types = [...this.#imports.map((one) => one.type), ...this.#functions.map((one) => one.type)];
    writer.section(1, () => {
      writer.u32(types.length);
      for (const { params, results } of types) {
        writer.u8(0x60);
        for (const list of [params, results]) {
          writer.u32(list.length);
          for (const type of list) writer.u8(valTypeBytes[type]);
        }
      }
    });
    writer.section(2, () => {
      writer.u32(this.#imports.length);
      this.#imports.forEach((_, index) => {
        writer.name(importModule);
        writer.name(String(index));
        writer.u8(0);
        writer.u32(index);
      });
    });
    writer.section(3, () => {
      writer.u32(this.#functions.length);
      this.#functions.forEach((_, index) => {
        writer.u32(this.#imports.length + index);
      });
    });
    writer.section(7, () => {
      writer.u32(this.#functions.length);
      this.#functions.forEach(({ exportName }, index) => {
        writer.name(exportName ?? String(index));
        writer.u8(0);
        writer.u32(this.#imports.length + index);
      });
    });
    writer.section(10, () => {
      writer.u32(this.#functions.length);
      for (const { locals, write } of this.#functions) {
        writer.sized(() => {
          writer.u32(locals > 0 ? 1 : 0);
          if (locals > 0) {
            writer.u32(locals);
            writer.u8(valTypeBytes.i32);
          }
          write(writer);
          writer.u8(op.end);
        });
      }
    });
    return writer.view();
  }

  #import(target: ImportTarget, type: FuncType): number {
    const key = JSON.stringify(target);
    let index = this.#importIndex.get(key);
    if (index === undefined) {
      index = this.#imports.push({ target, type }) - 1;
      this.#importIndex.set(key, index);
    }
    return index;
  }

  #add(type: FuncType, locals: number, write: GlueFunction['write']): string {
    return String(this.#functions.push({ type, locals, write, exportName: null }) - 1);
  }

  /**
   * Writes a call of the glue function `name`. All imports have lower indices, so its own is known only when the module
   * is written.
   */
  #call(code: ByteWriter, name: string): void {
    code.instruction(op.call, this.#imports.length + Number(name));
  }

  /**
   * Adds a function that allocates with `realloc` all memory that the host asks for. Returns the name of its export.
   */
  #filler(realloc: number): string {
    const known = this.#fillers.get(realloc);
    if (known !== undefined) return known;
    const next = this.#import(hostNext, hostNext.type);
    const put = this.#import(hostPut, hostPut.type);
    const name = this.#add({ params: [], results: [] }, 1, (code) => {
      const constant = (value: number): void => {
        code.u8(op.i32Const);
        code.s32(value);
      };
      code.raw(Uint8Array.of(op.loop, 0x40));
      code.instruction(op.call, next);
      code.instruction(op.localTee, 0);
      code.raw(Uint8Array.of(op.if, 0x40));
      constant(0);
      constant(0);
      constant(1);
      code.instruction(op.localGet, 0);
      constant(3);
      code.u8(op.i32And);
      code.u8(i32Shl);
      code.instruction(op.localGet, 0);
      constant(2);
      code.u8(op.i32ShrU);
      code.instruction(op.call, realloc);
      code.instruction(op.call, put);
      code.instruction(op.br, 1);
      code.raw(Uint8Array.of(op.end, op.end));
    });
    this.#fillers.set(realloc, name);
    return name;
  }
}

const i32Shl = 0x74;

function glueFunction(name: string, type: FuncType): Extract<ImportTarget, { readonly kind: 'host' }> {
  return { kind: 'host', module: glueModule, name, type };
}

const hostNext = glueFunction('next', { params: [], results: ['i32'] });
const hostPut = glueFunction('put', { params: ['i32'], results: [] });

/**
 * Import module of the arguments of an HTTP component's entry point; src/guest/kernel/abi/wasi2/http provides its
 * functions.
 */
const handlerModule = 'trisiel:http/incoming-handler';
const handle: FuncType = { params: [], results: ['i32'] };
/** Host function that returns a new handle of the request that the Process answers. */
export const hostRequest = { kind: 'host', module: handlerModule, name: 'request', type: handle } as const;
/** Host function that returns a new handle of the response-outparam, which takes the answer. */
export const hostOutparam = { kind: 'host', module: handlerModule, name: 'outparam', type: handle } as const;
