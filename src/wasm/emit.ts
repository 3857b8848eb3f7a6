/** Writes a scanned function body with its charges and edits. */
import type { HelperIndices } from './helpers.ts';
import { check, type Placement } from './placement.ts';
import { type CodeScanner, editFields, helper } from './scan-code.ts';
import type { ByteWriter } from './writer.ts';

/**
 * Charged gas without a check between, counted over the text of a function, which no path through it
 * exceeds: loops check at their head. Bounds the work that a chain of returns can do unseen.
 */
export const uncheckedMax = 256;

/** Bytes that a charge with check, or an edit, can take at most. */
const insertionBytesMax = 48;

export interface EmitOptions {
  readonly indices: HelperIndices;
  /** Global that also counts this function's gas (profile build); null for none. */
  readonly profileGlobal: number | null;
  /** Where the `if` of each check stands goes here: offset from the start of the body. */
  readonly hints: HintSink | null;
}

export interface HintSink {
  add(offset: number): void;
}

/** Writes the body, without its size, and returns how many bytes it has. */
export function emitBody(
  writer: ByteWriter,
  bytes: Uint8Array,
  end: number,
  scanner: CodeScanner,
  options: EmitOptions,
): number {
  const { placement, edits, editsLength } = scanner;
  const { indices } = options;
  const bodyStart = writer.length;
  placement.solve();
  if (decideChecks(placement)) {
    writer.u32(scanner.localGroups + 1);
    writer.raw(bytes, scanner.localsStart, scanner.codeStart);
    writer.raw(oneLocal);
  } else {
    writer.u32(scanner.localGroups);
    writer.raw(bytes, scanner.localsStart, scanner.codeStart);
  }
  writer.reserve(end - scanner.codeStart + (placement.nodes + editsLength / editFields) * insertionBytesMax);
  const local = scanner.locals;
  const hint = (offset: number) => options.hints?.add(offset - bodyStart);
  let from = scanner.codeStart;
  let edit = 0;
  for (let node = 0; node <= placement.nodes; node++) {
    const offset = node === placement.nodes ? end : placement.offsets[node]!;
    for (; edit < editsLength && edits[edit]! < offset; edit += editFields) {
      writer.raw(bytes, from, edits[edit]!);
      const call = edits[edit + 2]!;
      if (call === helper.none) writer.u32(edits[edit + 3]!);
      else {
        writer.u8(0x10);
        writer.u32(helperIndex(indices, call));
      }
      from = edits[edit]! + edits[edit + 1]!;
    }
    writer.raw(bytes, from, offset);
    from = offset;
    if (node === placement.nodes) break;
    const charge = placement.charges[node]!;
    if ((placement.flags[node]! & check) !== 0) emitCheckedCharge(writer, { charge, local, indices, hint });
    else if (charge > 0) emitCharge(writer, charge, indices.left);
    if (options.profileGlobal !== null && charge > 0) emitProfile(writer, charge, options.profileGlobal);
  }
  return writer.length - bodyStart;
}

/** Adds a check wherever `uncheckedMax` would be exceeded. Whether the function has any check. */
function decideChecks(placement: Placement): boolean {
  let unchecked = 0;
  let any = false;
  for (let node = 0; node < placement.nodes; node++) {
    unchecked += placement.charges[node]!;
    if (unchecked > uncheckedMax) placement.flags[node]! |= check;
    if ((placement.flags[node]! & check) === 0) continue;
    any = true;
    unchecked = 0;
  }
  return any;
}

const oneLocal = Uint8Array.of(1, 0x7f);

function helperIndex(indices: HelperIndices, call: number): number {
  if (call === helper.memoryBytes) return indices.memoryBytes;
  return call === helper.memoryGrow ? indices.memoryGrow : indices.tableEntries;
}

function emitCharge(writer: ByteWriter, charge: number, left: number): void {
  writer.u8(0x23); // global.get
  writer.u32(left);
  writer.u8(0x41); // i32.const
  writer.s32(charge);
  writer.u8(0x6b); // i32.sub
  writer.u8(0x24); // global.set
  writer.u32(left);
}

function emitCheckedCharge(
  writer: ByteWriter,
  {
    charge,
    local,
    indices,
    hint,
  }: { charge: number; local: number; indices: HelperIndices; hint: (offset: number) => void },
): void {
  const { left, slow } = indices;
  writer.u8(0x23); // global.get
  writer.u32(left);
  if (charge > 0) {
    writer.u8(0x41); // i32.const
    writer.s32(charge);
    writer.u8(0x6b); // i32.sub
    writer.u8(0x22); // local.tee
    writer.u32(local);
    writer.u8(0x24); // global.set
    writer.u32(left);
    writer.u8(0x20); // local.get
    writer.u32(local);
  }
  writer.u8(0x41); // i32.const 0
  writer.u8(0);
  writer.u8(0x48); // i32.lt_s
  hint(writer.length);
  writer.u8(0x04); // if
  writer.u8(0x40);
  writer.u8(0x10); // call
  writer.u32(slow);
  writer.u8(0x0b); // end
}

function emitProfile(writer: ByteWriter, charge: number, global: number): void {
  writer.u8(0x23); // global.get
  writer.u32(global);
  writer.u8(0x42); // i64.const
  writer.s32(charge);
  writer.u8(0x7c); // i64.add
  writer.u8(0x24); // global.set
  writer.u32(global);
}
