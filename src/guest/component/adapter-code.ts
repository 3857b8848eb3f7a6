/** Code of an adapter (adapter.ts): its instructions and its locals, which are used again once they are released. */
import type { ValType } from '../../protocol/module.ts';
import { constant, emptyBlock, op } from '../wasm/format/instructions.ts';
import { valTypeBytes } from '../wasm/format/types.ts';
import { ByteWriter } from '../wasm/format/writer.ts';
import type { FlatType } from './flatten.ts';

/** The index of a local, and its type. */
export interface TypedLocal {
  readonly local: number;
  readonly type: ValType;
}

export class AdapterCode extends ByteWriter {
  readonly #params: number;
  /** Types of the locals after the parameters. */
  readonly #locals: ValType[] = [];
  readonly #free: Record<FlatType, number[]> = { i32: [], i64: [], f32: [], f64: [] };

  /** `params` is the number of the function's parameters. */
  constructor(params: number) {
    super(256);
    this.#params = params;
  }

  /** Returns the body of the function: its locals and its code. */
  body(): Uint8Array {
    const body = new ByteWriter(this.length + 4 * this.#locals.length);
    body.u32(this.#locals.length);
    for (const type of this.#locals) {
      body.u32(1);
      body.u8(valTypeBytes[type]);
    }
    body.raw(this.view());
    return body.view();
  }

  /** Returns a local for each of `types`. */
  slots(types: readonly FlatType[]): readonly TypedLocal[] {
    return types.map((type) => ({ local: this.local(type), type }));
  }

  /** Returns a local of `type` that nothing uses. */
  local(type: FlatType): number {
    const free = this.#free[type].pop();
    if (free !== undefined) return free;
    return this.#params + this.#locals.push(type) - 1;
  }

  /** Gives a local back, for code that follows. */
  release(type: FlatType, local: number): void {
    this.#free[type].push(local);
  }

  /** Writes `opcode` with `index`: without `opcode`, the code that puts local `index` on the stack. */
  get(index: number, opcode: number = op.localGet): void {
    this.instruction(opcode, index);
  }

  /** Writes code that stores the top of the stack in the local of the index `local`. */
  set(local: number): void {
    this.instruction(op.localSet, local);
  }

  /** Writes code that sets the global of the index `global` to the constant `value`, an i32. */
  setGlobal(global: number, value: number): void {
    constant(this, value);
    this.instruction(op.globalSet, global);
  }

  ops(...opcodes: readonly number[]): void {
    for (const opcode of opcodes) this.u8(opcode);
  }

  /** Writes a trap if the i32 on the stack is not 0. */
  trapIf(): void {
    this.ops(op.if, emptyBlock, op.unreachable, op.end);
  }

  /** Turns the i64 on the stack, in which the host keeps a core value, into a value of `type`. */
  fromWord(type: FlatType): void {
    if (type === 'i32' || type === 'f32') this.ops(conversion.i32WrapI64);
    if (type === 'f32') this.ops(conversion.f32ReinterpretI32);
    if (type === 'f64') this.ops(conversion.f64ReinterpretI64);
  }

  /** Turns a value of `type` on the stack into the i64 in which the host keeps it. */
  toWord(type: FlatType): void {
    wordOf(this, type);
  }
}

/** Writes the change of a core value on the stack into the i64 in which the host keeps it. */
export function wordOf(code: ByteWriter, type: ValType): void {
  if (type === 'f32') code.u8(conversion.i32ReinterpretF32);
  if (type === 'f64') code.u8(conversion.i64ReinterpretF64);
  if (type === 'i32' || type === 'f32') code.u8(op.i64ExtendI32U);
}

/** Opcodes that change the type of a value. */
export const conversion = {
  i32WrapI64: 0xa7,
  i32ReinterpretF32: 0xbc,
  i64ReinterpretF64: 0xbd,
  f32ReinterpretI32: 0xbe,
  f64ReinterpretI64: 0xbf,
} as const;
