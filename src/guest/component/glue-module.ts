/** The core module of the linker's own code: its imports, globals and functions, and their binary form. */
import type { FuncType } from '../../protocol/module.ts';
import { op } from '../wasm/format/instructions.ts';
import { valTypeBytes } from '../wasm/format/types.ts';
import { ByteWriter } from '../wasm/format/writer.ts';
import { componentCaps } from './caps.ts';
import { memoryExports } from './memories.ts';
import { tooLargeComponent } from './refusals.ts';
import type { ImportTarget } from './unit.ts';

/** Memories that lie in the memory of the unit with the index `unit` (memories.ts), and their number. */
export interface GlueMemories {
  readonly unit: number;
  readonly count: number;
}

interface GlueFunction {
  readonly type: FuncType;
  /** Number of locals of type i32; their indices come after those of the parameters. */
  readonly locals: number;
  readonly write: (code: ByteWriter) => void;
  readonly exportName: string | null;
  /** Writes locals, code and `end` instead of `locals` and `write`. */
  readonly body?: () => Uint8Array;
}

/** Import module of everything that glue imports; `resolve` returns the definition of such an import. */
const importModule = 'glue';

export class GlueModule {
  readonly #imports: { readonly target: ImportTarget; readonly type: FuncType }[] = [];
  readonly #importIndex = new Map<string, number>();
  readonly #functions: GlueFunction[] = [];
  /** Indices of mutable globals of type i32, by what they hold. */
  readonly #globals = new Map<string, number>();
  readonly #subject: string;
  readonly #memories: GlueMemories | null;

  /** `subject` is the name of the component in messages; `memories` is null if the component has one memory at most. */
  constructor(subject: string, memories: GlueMemories | null) {
    this.#subject = subject;
    this.#memories = memories;
  }

  /** Index of the unit that holds the memories; 0 if the component has one memory at most. */
  get memoriesUnit(): number {
    return this.#memories?.unit ?? 0;
  }

  /** The functions that the module imports. */
  get imports(): readonly { readonly target: ImportTarget; readonly type: FuncType }[] {
    return this.#imports;
  }

  /** Returns the index of the function `target`, which the module imports. */
  import(target: ImportTarget, type: FuncType): number {
    const key = JSON.stringify(target);
    let index = this.#importIndex.get(key);
    if (index === undefined) {
      index = this.#imports.push({ target, type }) - 1;
      this.#importIndex.set(key, index);
    }
    return index;
  }

  /** Returns the index of the global that holds `what`; its first value is 0. */
  global(what: string): number {
    const imported = 2 * (this.#memories?.count ?? 0);
    const index = this.#globals.get(what) ?? imported + this.#globals.size;
    this.#globals.set(what, index);
    return index;
  }

  /** Adds a function that is exported under `exportName`. */
  addExport(exportName: string, { type, locals, write }: Pick<GlueFunction, 'type' | 'locals' | 'write'>): void {
    this.#functions.push({ type, locals, write, exportName });
  }

  /** Adds a function that `write` writes, with `locals` locals of type i32. Returns the name of its export. */
  add(type: FuncType, locals: number, write: GlueFunction['write']): string {
    return String(this.#functions.push({ type, locals, write, exportName: null }) - 1);
  }

  /** Adds a function whose locals, code and `end` are what `body` returns. Returns the name of its export. */
  addBody(type: FuncType, body: () => Uint8Array): string {
    return String(this.#functions.push({ type, locals: 0, write: () => undefined, exportName: null, body }) - 1);
  }

  /**
   * Writes a call of the glue function `name`. All imports have lower indices, so its own is known only when the module
   * is written.
   */
  call(code: ByteWriter, name: string): void {
    code.instruction(op.call, this.#imports.length + Number(name));
  }

  /** Returns the definition that the import `name` of the glue module is connected to; null if there is none. */
  resolve(_module: string, name: string): ImportTarget | null {
    if (this.#memories !== null && !/^\d/.test(name)) return { kind: 'unit', unit: this.#memories.unit, name };
    return this.#imports[Number(name)]?.target ?? null;
  }

  /** Returns the module. Throws `module_too_large` beyond componentCaps.glueBytes. */
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
      const memories = this.#memories?.count ?? 0;
      writer.u32(this.#imports.length + (memories === 0 ? 0 : 2 * memories + 1));
      this.#imports.forEach((_, index) => {
        writer.name(importModule);
        writer.name(String(index));
        writer.u8(0);
        writer.u32(index);
      });
      if (memories === 0) return;
      writer.name(importModule);
      writer.name(memoryExports.memory);
      writer.raw(Uint8Array.of(2, 0, 0));
      for (let memory = 0; memory < memories; memory += 1)
        for (const name of [memoryExports.base(memory), memoryExports.bytes(memory)]) {
          writer.name(importModule);
          writer.name(name);
          writer.raw(Uint8Array.of(3, valTypeBytes.i32, 1));
        }
    });
    writer.section(3, () => {
      writer.u32(this.#functions.length);
      this.#functions.forEach((_, index) => {
        writer.u32(this.#imports.length + index);
      });
    });
    if (this.#globals.size > 0) {
      writer.section(6, () => {
        writer.u32(this.#globals.size);
        for (let index = 0; index < this.#globals.size; index += 1)
          writer.raw(Uint8Array.of(valTypeBytes.i32, 1, op.i32Const, 0, op.end));
      });
    }
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
      for (const { locals, write, body } of this.#functions) {
        if (writer.length > componentCaps.glueBytes)
          throw tooLargeComponent(this.#subject, 'bytes of calls between its parts', componentCaps.glueBytes);
        writer.sized(() => {
          if (body !== undefined) {
            writer.raw(body());
            return;
          }
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
}
