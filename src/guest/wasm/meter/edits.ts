/**
 * Lists the edits of one function body: the places at which the rewritten body differs, in the order of their offsets.
 * The emitter copies the bytes between them and writes each edit at its place.
 */
import { grown } from './columns.ts';

/** Kinds of edits. The EditList method for each kind names the values that it stores. */
export const editKind = {
  index: 0,
  label: 1,
  beginLoop: 2,
  endLoop: 3,
  goAround: 4,
  return: 5,
  unreachable: 6,
  memoryBytes: 7,
  memoryGrow: 8,
  tableEntries: 9,
  memorySize: 10,
  throw: 11,
} as const;
export type EditKind = (typeof editKind)[keyof typeof editKind];
/** Kinds of edits that charge for bulk work. They call the helper of the same name, as `memoryGrow` does. */
export type WorkKind = typeof editKind.memoryBytes | typeof editKind.tableEntries;

/** Numbers per edit: offset, replaced bytes, kind, three values. */
const fields = 6;

/**
 * A list of edits in one column of numbers. `edit` is the number of an edit, 0 to `length - 1`. A large function has
 * tens of thousands of edits, and an object for each took a third of the scanning time.
 */
export class EditList {
  #column = new Int32Array(64 * fields);
  /** Number of edits. */
  length = 0;

  clear(): void {
    this.length = 0;
  }

  /** Replaces the `bytes` at `offset`, a function index, by `index`, that of the rewritten module. */
  index(offset: number, bytes: number, index: number): void {
    this.#add(offset, bytes, editKind.index, index, 0, 0);
  }

  /**
   * Replaces the `bytes` at `offset`, label `label` of a branch. The branch leads from loop `from` to a place whose
   * innermost loop is `to`.
   */
  label(offset: number, bytes: number, label: number, from: number, to: number): void {
    this.#add(offset, bytes, editKind.label, label, from, to);
  }

  /** Inserts code at the loop instruction of `loop`, which has `bytes` bytes with its block type. */
  beginLoop(offset: number, bytes: number, loop: number): void {
    this.#add(offset, 0, editKind.beginLoop, loop, bytes, 0);
  }

  /** Inserts code after the `end` of `loop`. */
  endLoop(offset: number, loop: number): void {
    this.#add(offset, 0, editKind.endLoop, loop, 0, 0);
  }

  /**
   * Replaces the `bytes` at `offset`, the end of a round of `loop`: the step, comparison and branch of a possible
   * counted loop.
   */
  goAround(offset: number, bytes: number, loop: number): void {
    this.#add(offset, bytes, editKind.goAround, loop, 0, 0);
  }

  /** Replaces the return at `offset` in `loop`. `label` is the label of the function's own block there. */
  return(offset: number, label: number, loop: number): void {
    this.#add(offset, 1, editKind.return, label, loop, 0);
  }

  /** Inserts code before the `unreachable` at `offset`. */
  unreachable(offset: number): void {
    this.#add(offset, 0, editKind.unreachable, 0, 0, 0);
  }

  /** Inserts code before the throw, rethrow or throw_ref at `offset`. */
  throw(offset: number): void {
    this.#add(offset, 0, editKind.throw, 0, 0, 0);
  }

  /** Replaces the memory.grow of `bytes` bytes at `offset` by a call of a helper, which charges only for success. */
  memoryGrow(offset: number, bytes: number): void {
    this.#add(offset, bytes, editKind.memoryGrow, 0, 0, 0);
  }

  /** Inserts code at `offset`, after a memory.size, that subtracts the reserve from its result. */
  memorySize(offset: number): void {
    this.#add(offset, 0, editKind.memorySize, 0, 0, 0);
  }

  /**
   * Inserts, before the bulk instruction at `offset`, a call of the helper of `kind`, which charges for the operand on
   * the stack.
   */
  work(offset: number, kind: WorkKind): void {
    this.#add(offset, 0, kind, 0, 0, 0);
  }

  /** Returns the byte offset of edit `edit` in the module as pushed. */
  offset(edit: number): number {
    return this.#column[edit * fields]!;
  }

  /** Returns the number of bytes that edit `edit` replaces. */
  bytes(edit: number): number {
    return this.#column[edit * fields + 1]!;
  }

  /** Returns the kind of edit `edit`. */
  kind(edit: number): EditKind {
    return this.#column[edit * fields + 2]! as EditKind; // written from one
  }

  /** Returns the first of the three values of edit `edit`; second() and third() return the others. */
  first(edit: number): number {
    return this.#column[edit * fields + 3]!;
  }

  /** Returns the second value of edit `edit`; 0 if its kind has none. */
  second(edit: number): number {
    return this.#column[edit * fields + 4]!;
  }

  /** Returns the third value of edit `edit`; 0 if its kind has none. */
  third(edit: number): number {
    return this.#column[edit * fields + 5]!;
  }

  #add(offset: number, bytes: number, kind: EditKind, first: number, second: number, third: number): void {
    const at = this.length * fields;
    if (at === this.#column.length) this.#column = grown(this.#column);
    const column = this.#column;
    column[at] = offset;
    column[at + 1] = bytes;
    column[at + 2] = kind;
    column[at + 3] = first;
    column[at + 4] = second;
    column[at + 5] = third;
    this.length++;
  }
}
