/** The code that goes around a counted loop (counted-loops.ts; emit.ts shows where it stands). */

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
 * Sets local `rounds` to a number of rounds from 1 to `most` that the loop will go, traps aside: the bound
 * is not reached before the last of them. With i the local, n the bound and d the step, both taken as
 * unsigned numbers, `i < n` still holds after k rounds if k * d <= n - 1 - i, which is no overflow since
 * i < n; so floor((n - 1 - i) / d) + 1 rounds are certain. `i != n` holds as long, whatever i is; for
 * `<=` it is n - i, and downwards with the roles of i and n exchanged.
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
    // A step of 0 is divided by as 1, and selected against below.
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

/** Turns the rounds in local `stop` into what the loop's local will be behind them. */
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

/** Ends a round: goes to label 0 for the next one, to label 1 for the next certain ones, or on. */
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
