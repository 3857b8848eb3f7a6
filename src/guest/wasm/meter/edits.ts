/**
 * The edits of one function body: what the scanner has found that must read otherwise in the rewritten body, in the
 * order of their offsets. The emitter copies the bytes between them and writes each edit in its place.
 */
import { grown } from './columns.ts';

/** Kinds of edits. The method of EditList that adds a kind says which of its three values it uses. */
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
/** Edits that charge for bulk work. Like `memoryGrow`, they call the helper of their name. */
export type WorkKind = typeof editKind.memoryBytes | typeof editKind.tableEntries;

/** Numbers of an edit: offset, bytes replaced, kind, three values. */
const fields = 6;

/**
 * A list of edits in one column of numbers: a large function has tens of thousands, and an object for each took a
 * third of the time to scan it. Edits are named by their number, 0 to `length - 1`.
 */
export class EditList {
  #column = new Int32Array(64 * fields);
  /** Number of edits. */
  length = 0;

  clear(): void {
    this.length = 0;
  }

  /** The `bytes` at `offset` are a function index; `index` is it in the rewritten module. */
  index(offset: number, bytes: number, index: number): void {
    this.#add(offset, bytes, editKind.index, index, 0, 0);
  }

  /** The `bytes` at `offset` are label `label`, of a branch in loop `from` to where `to` is the innermost loop. */
  label(offset: number, bytes: number, label: number, from: number, to: number): void {
    this.#add(offset, bytes, editKind.label, label, from, to);
  }

  /** In front of the instruction of `loop`, which has `bytes` with its block type. */
  beginLoop(offset: number, bytes: number, loop: number): void {
    this.#add(offset, 0, editKind.beginLoop, loop, bytes, 0);
  }

  /** Behind the `end` of `loop`. */
  endLoop(offset: number, loop: number): void {
    this.#add(offset, 0, editKind.endLoop, loop, 0, 0);
  }

  /** The `bytes` at `offset` end the round of `loop`: step, comparison and branch of what may be a counted loop. */
  goAround(offset: number, bytes: number, loop: number): void {
    this.#add(offset, bytes, editKind.goAround, loop, 0, 0);
  }

  /** A return at `offset` in `loop`, from where label `label` is the function's own. */
  return(offset: number, label: number, loop: number): void {
    this.#add(offset, 1, editKind.return, label, loop, 0);
  }

  /** In front of an `unreachable`. */
  unreachable(offset: number): void {
    this.#add(offset, 0, editKind.unreachable, 0, 0, 0);
  }

  /** In front of a throw, rethrow or throw_ref. */
  throw(offset: number): void {
    this.#add(offset, 0, editKind.throw, 0, 0, 0);
  }

  /** A memory.grow of `bytes` at `offset`: the helper takes its place, since it charges for success only. */
  memoryGrow(offset: number, bytes: number): void {
    this.#add(offset, bytes, editKind.memoryGrow, 0, 0, 0);
  }

  /** Behind a memory.size that ends at `offset`: the reserve is subtracted from what it gives. */
  memorySize(offset: number): void {
    this.#add(offset, 0, editKind.memorySize, 0, 0, 0);
  }

  /** In front of the bulk instruction at `offset`: the helper of `kind` charges for the operand on the stack. */
  work(offset: number, kind: WorkKind): void {
    this.#add(offset, 0, kind, 0, 0, 0);
  }

  /** Byte offset of edit `edit` in the module as pushed. */
  offset(edit: number): number {
    return this.#column[edit * fields]!;
  }

  /** Number of bytes that edit `edit` replaces. */
  bytes(edit: number): number {
    return this.#column[edit * fields + 1]!;
  }

  kind(edit: number): EditKind {
    return this.#column[edit * fields + 2]! as EditKind;
  }

  /** The first of the values that the adding method names. */
  first(edit: number): number {
    return this.#column[edit * fields + 3]!;
  }

  second(edit: number): number {
    return this.#column[edit * fields + 4]!;
  }

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
