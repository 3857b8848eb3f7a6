/**
 * What work costs, in gas. One instruction is 1; the instructions whose work grows with an operand
 * pay for that work besides, before they do it.
 *
 * Changing a number here, or anything in the rewriting that changes the gas a program uses, must
 * change METER_VERSION: it is part of an Artifact's name, so the old Artifact stays what it was.
 */
export const METER_VERSION = 3;

export const costs = {
  /** Every executed instruction, `end` and `else` included. */
  instruction: 1,
  /** memory.fill, memory.copy, memory.init, per byte. Filling fresh pages takes 0.5 ns a byte, about an instruction's time. */
  memoryByte: 1,
  /**
   * memory.grow, per page of 64 KiB, when it succeeds. The work comes later, when the guest first
   * touches it: 16 page faults of the system, 33 µs in all, each paid for by one cheap instruction.
   */
  memoryPage: 16_384,
  /** table.fill, table.copy, table.init and table.grow, per entry: a reference with its write barrier. */
  tableEntry: 4,
} as const;
