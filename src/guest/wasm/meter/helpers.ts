/**
 * Writes the items that rewriting adds to a module: two globals, one import and a few functions.
 *
 *     (import "trisiel" "gas" (func $gas (param i32) (result i32)))
 *     (global $left (mut i32) (i32.const 0))           ;; exported as trisiel.gas_left
 *     (global $reserve (mut i32) (i32.const 0))        ;; exported as trisiel.reserve; only with a memory
 *
 * `$left` counts down, and is ahead by the credit of the place (placement.ts). Code that finds `$left + credit < 0`
 * calls `$slow(credit)`; the host sees the counter with the credit added and answers with the new value, negative to
 * refuse. The counter cannot have wrapped by then: between two checks at most `uncheckedMax` and `creditMax` are
 * charged per active call, and in the last one two runs (emit.ts); a stack of 1 MiB holds some 25,000 calls, and a
 * single charge is below 2^30.
 *
 * `$reserve` is the number of pages at the end of the memory that the guest has not grown into yet: the host makes a
 * memory larger than the module asks for and sets it. `memory.size` gives the difference; `memory.grow` takes pages out
 * of the reserve first, so that the memory can be set back to its first size. While `$reserve` is 0, both do what the
 * original does, in a memory that others grow too.
 */
import type { FuncType } from '../../../protocol/module.ts';
import { constant, emptyBlock, op } from '../format/instructions.ts';
import type { Module } from '../format/model.ts';
import { copyShifted } from '../format/shift.ts';
import type { ByteWriter } from '../format/writer.ts';
import type { Costs } from './costs.ts';

/** Indices of the added items in the rewritten module. */
export interface HelperIndices {
  /** Function import trisiel.gas. */
  readonly gas: number;
  /** Hidden global with the gas left. */
  readonly left: number;
  /** Hidden global with the pages of the reserve; only in modules with a memory. */
  readonly reserve: number;
  /** Functions `$slow` and `$settle`, and the one that charges for new entries of tables (docs/meter.md). */
  readonly slow: number;
  readonly settle: number;
  readonly tableEntries: number;
  /** Function that sets every mutable global of the module's own back to its first value. */
  readonly restore: number;
  /** Helper for bulk memory work; only in modules with a memory. */
  readonly memoryBytes: number;
  /** Function that grows the memory and charges for what it adds; only in modules with a memory. */
  readonly memoryGrow: number;
}

/** Type of the import `trisiel.gas`: takes the counter; returns its new value, negative to refuse. */
export const gasType: FuncType = { params: ['i32'], results: ['i32'] };
/** Type of `$slow`: takes the credit. */
export const slowType: FuncType = { params: ['i32'], results: [] };
/**
 * Type of `$settle` and of the helpers that charge for work. A helper for work takes the operand and the credit, and
 * returns the operand.
 */
export const workType: FuncType = { params: ['i32', 'i32'], results: ['i32'] };

/** Type of `$restore`. */
export const restoreType: FuncType = { params: [], results: [] };

/** Largest charge at once, so that sums stay within an i32. A multiple of every cost. */
const chargeMax = 2 ** 29;
/** Largest table of any engine, in entries. An operation on more entries traps or fails without work. */
const tableEntriesMax = 10_000_000;

const i32 = 0x7f;

/** Writes the opcode of one instruction and its unsigned immediates. */
function put(writer: ByteWriter, opcode: number, ...immediates: number[]): void {
  writer.u8(opcode);
  for (const value of immediates) writer.u32(value);
}

/** Returns the function types of the helpers, in the order of their indices. */
export function helperTypes(types: { slow: number; work: number; restore: number }, hasMemory: boolean): number[] {
  return [types.slow, types.work, types.work, types.restore, ...(hasMemory ? [types.work, types.work] : [])];
}

/** Returns the number of functions that writeHelpers adds to a module. */
export function helperCount(hasMemory: boolean): number {
  return hasMemory ? 6 : 4;
}

export interface HelperOptions {
  readonly indices: HelperIndices;
  readonly hasMemory: boolean;
  readonly costs: Costs;
  readonly module: Module;
}

/** Writes the helpers' bodies, in the order of their indices. */
export function writeHelpers(writer: ByteWriter, { indices, hasMemory, costs, module }: HelperOptions): void {
  writer.sized(() => writeSlow(writer, indices));
  writer.sized(() => writeSettle(writer, indices));
  writer.sized(() => {
    locals(writer, 1);
    constant(writer, 0);
    put(writer, op.localGet, 0);
    put(writer, op.localGet, 0);
    constant(writer, tableEntriesMax);
    put(writer, op.i32GtU);
    put(writer, op.select);
    put(writer, op.localSet, 2);
    chargeLocal(writer, indices, { unit: costs.tableEntry, credit: 1, rest: 2 });
    put(writer, op.localGet, 0);
    put(writer, op.end);
  });
  writer.sized(() => writeRestore(writer, module));
  if (!hasMemory) return;
  writer.sized(() => {
    locals(writer, 1);
    // The original traps before any work if it names more bytes than the memory has. The helper traps in its place: the
    // operation itself would find the bytes in the reserve.
    put(writer, op.localGet, 0);
    constant(writer, 16);
    put(writer, op.i32ShrU);
    memorySize(writer, indices);
    put(writer, op.i32GtU);
    put(writer, op.if, emptyBlock);
    accessOutside(writer);
    put(writer, op.end);
    put(writer, op.localGet, 0);
    put(writer, op.localSet, 2);
    chargeLocal(writer, indices, { unit: costs.memoryByte, credit: 1, rest: 2 });
    put(writer, op.localGet, 0);
    put(writer, op.end);
  });
  writer.sized(() => {
    locals(writer, 1);
    growMemory(writer, indices, { pages: 0, before: 2 });
    chargeLocal(writer, indices, { unit: costs.memoryPage, credit: 1, rest: 0 });
    put(writer, op.localGet, 2);
    put(writer, op.end);
  });
}

/**
 * Writes `$restore`: evaluates the initialiser of every mutable global again, in order. Constant expressions only use
 * values that never change, so each global gets its first value.
 */
function writeRestore(writer: ByteWriter, module: Module): void {
  writer.u32(0);
  for (const [index, { mutable, initialiser }] of module.globals.entries()) {
    if (!mutable || initialiser === null) continue;
    copyShifted(writer, module, initialiser.start, initialiser.end);
    put(writer, op.globalSet, index);
  }
  put(writer, op.end);
}

/** Writes code that puts the number of pages that the guest sees on the stack. */
function memorySize(writer: ByteWriter, indices: HelperIndices): void {
  put(writer, op.memorySize, 0);
  put(writer, op.globalGet, indices.reserve);
  put(writer, op.i32Sub);
}

/** Writes an access outside of the memory, which traps: no memory has 2^32 + 1 bytes. */
function accessOutside(writer: ByteWriter): void {
  constant(writer, -1);
  put(writer, op.i32Load8U, 0, 0xffff_ffff);
  put(writer, op.drop);
}

/**
 * Writes code that grows the memory by local `pages`, out of the reserve as far as possible, and sets local `before` to
 * the size before. If growing fails, `before` is -1 and `pages` 0: nothing is charged, but the check that follows a
 * charge has to be made, for a loop may have no other. Growing touches no page.
 */
function growMemory(
  writer: ByteWriter,
  indices: HelperIndices,
  { pages, before }: { pages: number; before: number },
): void {
  memorySize(writer, indices);
  put(writer, op.localSet, before);
  put(writer, op.localGet, pages);
  put(writer, op.globalGet, indices.reserve);
  put(writer, op.i32LeU);
  put(writer, op.if, emptyBlock);
  put(writer, op.globalGet, indices.reserve);
  put(writer, op.localGet, pages);
  put(writer, op.i32Sub);
  put(writer, op.globalSet, indices.reserve);
  put(writer, op.else);
  put(writer, op.localGet, pages);
  put(writer, op.globalGet, indices.reserve);
  put(writer, op.i32Sub);
  put(writer, op.memoryGrow, 0);
  constant(writer, -1);
  put(writer, op.i32Eq);
  put(writer, op.if, emptyBlock);
  constant(writer, -1);
  put(writer, op.localSet, before);
  constant(writer, 0);
  put(writer, op.localSet, pages);
  put(writer, op.else);
  constant(writer, 0);
  put(writer, op.globalSet, indices.reserve);
  put(writer, op.end);
  put(writer, op.end);
}

function locals(writer: ByteWriter, count: number): void {
  writer.u32(1);
  writer.u32(count);
  writer.u8(i32);
}

/**
 * Writes `$slow`: asks the host for gas, and executes `unreachable` if the host refuses. The host sees the counter with
 * the credit added.
 */
function writeSlow(writer: ByteWriter, indices: HelperIndices): void {
  locals(writer, 1);
  put(writer, op.globalGet, indices.left);
  put(writer, op.localGet, 0);
  put(writer, op.i32Add);
  put(writer, op.localTee, 1);
  put(writer, op.globalSet, indices.left);
  put(writer, op.localGet, 1);
  put(writer, op.call, indices.gas);
  put(writer, op.localTee, 1);
  constant(writer, 0);
  put(writer, op.i32LtS);
  put(writer, op.if, emptyBlock);
  put(writer, op.unreachable);
  put(writer, op.end);
  put(writer, op.localGet, 1);
  put(writer, op.localGet, 0);
  put(writer, op.i32Sub);
  put(writer, op.globalSet, indices.left);
  put(writer, op.end);
}

/**
 * Writes `$settle`: takes the count of a run, which is below 0, and the credit; returns 0, the count of the next run.
 */
function writeSettle(writer: ByteWriter, indices: HelperIndices): void {
  locals(writer, 0);
  put(writer, op.globalGet, indices.left);
  put(writer, op.localGet, 0);
  put(writer, op.i32Add);
  put(writer, op.localTee, 0);
  put(writer, op.globalSet, indices.left);
  put(writer, op.localGet, 0);
  put(writer, op.localGet, 1);
  put(writer, op.i32Add);
  constant(writer, 0);
  put(writer, op.i32LtS);
  put(writer, op.if, emptyBlock);
  put(writer, op.localGet, 1);
  put(writer, op.call, indices.slow);
  put(writer, op.end);
  constant(writer, 0);
  put(writer, op.end);
}

/**
 * Writes code that charges `unit` times local `rest`, at most chargeMax at a time, with a check after each and one
 * check at least. Local `credit` holds the credit; local `rest` is overwritten.
 */
function chargeLocal(
  writer: ByteWriter,
  indices: HelperIndices,
  { unit, credit, rest }: { unit: number; credit: number; rest: number },
): void {
  const portion = Math.floor(chargeMax / unit);
  const charge = (amount: () => void) => {
    put(writer, op.globalGet, indices.left);
    amount();
    put(writer, op.i32Sub);
    put(writer, op.globalSet, indices.left);
    put(writer, op.globalGet, indices.left);
    put(writer, op.localGet, credit);
    put(writer, op.i32Add);
    constant(writer, 0);
    put(writer, op.i32LtS);
    put(writer, op.if, emptyBlock);
    put(writer, op.localGet, credit);
    put(writer, op.call, indices.slow);
    put(writer, op.end);
  };
  put(writer, op.loop, emptyBlock);
  put(writer, op.localGet, rest);
  constant(writer, portion);
  put(writer, op.i32GtU);
  put(writer, op.if, emptyBlock);
  charge(() => constant(writer, portion * unit));
  put(writer, op.localGet, rest);
  constant(writer, portion);
  put(writer, op.i32Sub);
  put(writer, op.localSet, rest);
  put(writer, op.br, 1);
  put(writer, op.end);
  put(writer, op.end);
  charge(() => {
    put(writer, op.localGet, rest);
    if (unit === 1) return;
    constant(writer, unit);
    put(writer, op.i32Mul);
  });
}
