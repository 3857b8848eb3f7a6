/**
 * Lists the prices of work, in gas. It is the only such list: the scanner weighs every instruction by it, and the
 * helpers that charge for bulk work read it.
 *
 * A change of a number here, or of anything in the rewriting that changes the gas a program uses, must change
 * METER_VERSION: it is part of an Artifact's name, so the old Artifact stays what it was.
 */
import { op } from '../format/instructions.ts';

/** Number of the version of prices and rewriting. */
export const METER_VERSION = 7;

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
  /**
   * Price of a page of 64 KiB by which memory.grow has grown the memory. A memory.grow that fails costs nothing more.
   */
  readonly memoryPage: number;
  /** Price of an entry that table.fill, table.copy, table.init or table.grow writes. */
  readonly tableEntry: number;
}

export const costs: Costs = {
  instruction: 1,
  // A throw takes the engine 150 to 250 ns, the time of about as many instructions (RATIONALE.md, wasm).
  instructions: { [op.throw]: 200, [op.rethrow]: 200, [op.throwRef]: 200 },
  // Filling fresh pages takes 0.5 ns a byte, about the time of an instruction.
  memoryByte: 1,
  // The work comes later, when the guest first touches the page: 16 page faults of the system take 33 µs in all, and
  // one cheap instruction causes each of them.
  memoryPage: 16_384,
  // An entry is a reference, which the engine stores with a write barrier.
  tableEntry: 4,
};

/** Returns the price of every instruction by its first byte. Throws a RangeError for a price below 1 or above 255. */
export function instructionPrices({ instruction, instructions }: Costs): Uint8Array {
  const prices = new Uint8Array(256).fill(instruction);
  for (const [opcode, price] of Object.entries(instructions)) prices[Number(opcode)] = price;
  // A price of 0 would allow a loop that no limit ends.
  for (const price of [instruction, ...Object.values(instructions)])
    if (!Number.isInteger(price) || price < 1 || price > 255) throw new RangeError(`price ${price} of an instruction`);
  return prices;
}
