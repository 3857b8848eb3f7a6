/** Writes the code around a counted loop (counted-loops.ts); emit.ts shows its position. */

import { constant, op } from '../format/instructions.ts';
import type { ByteWriter } from '../format/writer.ts';
import { type CountedLoop, compares, includesEqual, type Operand } from './counted-loops.ts';

function operand(writer: ByteWriter, from: Operand): void {
  if ('local' in from) writer.instruction(op.localGet, from.local);
  else constant(writer, from.constant | 0);
}

function compareWithBound(writer: ByteWriter, { local, compare, bound }: CountedLoop): void {
  writer.instruction(op.localGet, local);
  operand(writer, bound);
  writer.u8(compare);
}

/**
 * Writes code that sets local `rounds` to a number of rounds, 1 to `most`, that the loop is certain to go unless it
 * traps: the bound is not reached before the last of them. With i the local, n the bound and d the step, both taken as
 * unsigned numbers, `i < n` still holds after k rounds if k * d <= n - 1 - i, which is no overflow since i < n; so
 * floor((n - 1 - i) / d) + 1 rounds are certain. `i != n` holds as long, whatever i is. For `<=` the dividend is n - i;
 * for a local that shrinks, i and n exchange their roles.
 */
export function setCertainRounds(writer: ByteWriter, loop: CountedLoop, rounds: number, most: number): void {
  const { local, step, up, compare, bound } = loop;
  operand(writer, up ? bound : { local });
  operand(writer, up ? { local } : bound);
  writer.u8(op.i32Sub);
  if (!includesEqual(compare)) {
    constant(writer, 1);
    writer.u8(op.i32Sub);
  }
  if ('local' in step) {
    // Divides by 1 if the step is 0; the select below discards that result.
    operand(writer, step);
    operand(writer, step);
    writer.u8(op.i32Eqz);
    writer.u8(op.i32Or);
    writer.u8(op.i32DivU);
  } else if (step.constant !== 1) {
    operand(writer, step);
    writer.u8(op.i32DivU);
  }
  writer.instruction(op.localTee, rounds);
  constant(writer, most - 1);
  writer.instruction(op.localGet, rounds);
  constant(writer, most - 1);
  writer.u8(op.i32LtU);
  writer.u8(op.select);
  const isGuarded = compare !== compares.ne;
  if (isGuarded || 'local' in step) {
    constant(writer, 0);
    if (isGuarded) compareWithBound(writer, loop);
    if ('local' in step) {
      constant(writer, 0);
      operand(writer, step);
      writer.u8(op.i32Ne);
      if (isGuarded) writer.u8(op.i32And);
    }
    writer.u8(op.select);
  }
  constant(writer, 1);
  writer.u8(op.i32Add);
  writer.instruction(op.localSet, rounds);
}

/** Replaces the number of rounds in local `stop` by the value that the loop's local has after them. */
export function setStop(writer: ByteWriter, { local, step, up }: CountedLoop, stop: number): void {
  writer.instruction(op.localGet, local);
  writer.instruction(op.localGet, stop);
  if (!('constant' in step && step.constant === 1)) {
    operand(writer, step);
    writer.u8(op.i32Mul);
  }
  writer.u8(up ? op.i32Add : op.i32Sub);
  writer.instruction(op.localSet, stop);
}

/**
 * Writes the end of a round: a branch to label 0 for the next round, to label 1 for the next certain rounds, or none.
 */
export function writeEnding(writer: ByteWriter, loop: CountedLoop, stop: number): void {
  const { local, step, up, ending } = loop;
  writer.instruction(op.localGet, local);
  if (ending?.steps === true) {
    operand(writer, step);
    writer.u8(up ? op.i32Add : op.i32Sub);
    writer.instruction(op.localTee, local);
  }
  writer.instruction(op.localGet, stop);
  writer.u8(op.i32Ne);
  writer.instruction(op.brIf, 0);
  compareWithBound(writer, loop);
  writer.instruction(op.brIf, 1);
}
