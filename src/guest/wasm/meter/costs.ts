/**
 * What work costs, in gas. The one place where prices stand: the scanner weighs every instruction by this table, the
 * helpers that charge for bulk work read the other numbers from it.
 *
 * A change of a number here, or of anything in the rewriting that changes the gas a program uses, must change
 * METER_VERSION: it is part of an Artifact's name, so the old Artifact stays what it was.
 */
import { op } from '../format/instructions.ts';

export const METER_VERSION = 5;

export interface Costs {
  /** Price of an executed instruction, `end` and `else` included, from 1 to 255. */
  readonly instruction: number;
  /**
   * Prices of single instructions that differ from `instruction`, by opcode, from 1 to 255: `{ [op.callIndirect]: 2 }`.
   * All instructions of a prefix (0xfc, 0xfd) have the price of their prefix.
   */
  readonly instructions: Readonly<Record<number, number>>;
  /** Price of a byte of memory.fill, memory.copy and memory.init, besides the instruction. */
  readonly memoryByte: number;
  /** Price of a page of 64 KiB by which memory.grow has grown the memory. Nothing when it fails. */
  readonly memoryPage: number;
  /** Price of an entry of table.fill, table.copy, table.init and table.grow. */
  readonly tableEntry: number;
}

export const costs: Costs = {
  instruction: 1,
  // Costs of throwing: the engine takes 150 to 250 ns for each, the time of about as many instructions (RATIONALE.md,
  // wasm).
  instructions: { [op.throw]: 200, [op.rethrow]: 200, [op.throwRef]: 200 },
  // Filling fresh pages takes 0.5 ns a byte, about an instruction's time.
  memoryByte: 1,
  // The work comes later, when the guest first touches the page: 16 page faults of the system, 33 µs in all, each paid
  // for by one cheap instruction.
  memoryPage: 16_384,
  // A reference with its write barrier.
  tableEntry: 4,
};

/** Returns the price of every instruction by its first byte. Throws a RangeError for a price below 1 or above 255. */
export function instructionPrices({ instruction, instructions }: Costs): Uint8Array {
  const prices = new Uint8Array(256).fill(instruction);
  for (const [opcode, price] of Object.entries(instructions)) prices[Number(opcode)] = price;
  // An instruction for nothing would make a loop that no limit ends.
  for (const price of [instruction, ...Object.values(instructions)])
    if (!Number.isInteger(price) || price < 1 || price > 255) throw new RangeError(`price ${price} of an instruction`);
  return prices;
}
