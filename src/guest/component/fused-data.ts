/**
 * The data segments of a fused module. The engine writes active segments before it runs the start function, which calls
 * those of all units. So a segment that a start function of an earlier unit would find becomes passive, and is written
 * by code between the two (core specification, 4.5.4 Instantiation); so does one whose offset is computed, of one of
 * several memories, and those that follow it in this memory.
 *
 * The engine drops active segments once it has written them. A late one gets a second index, behind all others, that
 * only the code between the start functions uses; an empty segment has its own index, which is what a dropped one is to
 * the code of the unit. An instruction that drops it would end the recycling of instances (isRecyclable).
 */
import { PAGE_BYTES } from '../../protocol/limits.ts';
import { constant, op } from '../wasm/format/instructions.ts';
import { findSection } from '../wasm/format/model.ts';
import { bulk } from '../wasm/format/opcodes.ts';
import { ByteWriter } from '../wasm/format/writer.ts';
import type { LoadedUnit, NumberedUnits } from './number-units.ts';
import { invalidComponent } from './refusals.ts';
import type { CodeCopier, Numbering } from './renumber.ts';

interface Segment {
  /** Index of the unit that brings it. */
  readonly unit: number;
  /** Index of the memory in its unit. */
  readonly memory: number;
  /** The offset with the indices of the fused module, without its `end`; null: the segment is passive. */
  readonly offset: Uint8Array | null;
  /** Where its bytes are in the unit, and how many. */
  readonly start: number;
  readonly size: number;
  isLate: boolean;
}

interface Reading {
  readonly numbers: NumberedUnits;
  /** Name of the component in messages. */
  readonly subject: string;
  readonly copier: (writer: ByteWriter, unit: number) => CodeCopier;
}

export class FusedData {
  readonly #numbers: NumberedUnits;
  readonly #subject: string;
  /** All segments in the order of their indices in the fused module. */
  readonly #segments: readonly Segment[];
  /** Those of them that code writes, in the order of their second indices. */
  readonly #late: readonly Segment[];

  /** Throws `module_invalid` for active data outside of its memory. */
  constructor(reading: Reading) {
    this.#numbers = reading.numbers;
    this.#subject = reading.subject;
    this.#segments = reading.numbers.units.flatMap((_, unit) => readSegments(reading, unit));
    this.#findLate();
    this.#late = this.#segments.filter(({ isLate }) => isLate);
  }

  /** Number of segments in the fused module. */
  get count(): number {
    return this.#segments.length + this.#late.length;
  }

  /** Whether code writes some of the segments. */
  get hasLate(): boolean {
    return this.#late.length > 0;
  }

  /** Writes code that writes the segments of `unit` which the engine does not. */
  writeLate(code: ByteWriter, unit: number): void {
    this.#late.forEach((segment, rank) => {
      if (segment.unit !== unit || segment.offset === null) return;
      code.raw(segment.offset);
      const { memories } = this.#numbers.numberings[unit] as Numbering;
      if (memories !== null) {
        constant(code, segment.size | 0);
        code.instruction(op.call, memories[segment.memory]?.range ?? 0); // the engine has validated the number
      }
      constant(code, 0);
      constant(code, segment.size | 0);
      code.u8(op.prefixBulk);
      for (const one of [bulk.memoryInit, this.#segments.length + rank, 0]) code.u32(one);
    });
  }

  /** Writes the segments: the content of the section. */
  write(writer: ByteWriter): void {
    writer.u32(this.count);
    for (const segment of this.#segments) {
      const isActive = segment.offset !== null && !segment.isLate;
      writer.u32(isActive ? 0 : 1);
      if (isActive) {
        this.#writeOffset(writer, segment);
        writer.u8(op.end);
      }
      if (segment.isLate) writer.u32(0);
      else this.#writeBytes(writer, segment);
    }
    for (const segment of this.#late) {
      writer.u32(1);
      this.#writeBytes(writer, segment);
    }
  }

  #writeBytes(writer: ByteWriter, { unit, start, size }: Segment): void {
    writer.u32(size);
    writer.raw((this.#numbers.units[unit] as LoadedUnit).module.bytes, start, start + size);
  }

  /** Decides which segments code has to write. */
  #findLate(): void {
    /** Memories that code has seen, or written, before the segment at hand; null: the only one. */
    const seen = new Set<number | null>();
    let next = 0;
    this.#numbers.units.forEach(({ module }, unit) => {
      for (; this.#segments[next]?.unit === unit; next += 1) {
        const segment = this.#segments[next] as Segment;
        if (segment.offset === null) continue;
        const memory = this.#numbers.memoryOf(unit, segment.memory);
        segment.isLate = seen.has(memory) || (memory !== null && constantOf(segment.offset) === null);
        if (segment.isLate) seen.add(memory);
      }
      if (module.start === null) return;
      for (let before = 0; before <= unit; before += 1) for (const one of this.#memoriesOf(before)) seen.add(one);
    });
  }

  #memoriesOf(unit: number): readonly (number | null)[] {
    return this.#numbers.memories === null ? [null] : (this.#numbers.memories.ofUnit[unit] ?? []);
  }

  /**
   * Writes where an active segment lies in the whole memory. Throws `module_invalid` for data outside of its memory.
   */
  #writeOffset(writer: ByteWriter, { unit, memory, offset, size }: Segment): void {
    const number = this.#numbers.memoryOf(unit, memory);
    const placed = number === null ? undefined : this.#numbers.memories?.placed[number];
    if (offset === null) return;
    if (placed === undefined) {
      writer.raw(offset);
      return;
    }
    const { base, initial } = placed;
    const address = constantOf(offset) ?? 0; // others are late
    if (address + size > initial * PAGE_BYTES)
      throw invalidComponent(this.#subject, 'data lies outside of the memory of a core module');
    constant(writer, (base + address) | 0);
  }
}

function readSegments({ numbers, copier: copierOf }: Reading, unit: number): readonly Segment[] {
  const { module } = numbers.units[unit] as LoadedUnit;
  const section = findSection(module, 11);
  if (section === undefined) return [];
  const offsets = new ByteWriter(1024);
  const copier = copierOf(offsets, unit);
  copier.pos = section.start;
  return Array.from({ length: copier.u32() }, (): Segment => {
    const flags = copier.u32();
    const memory = flags === 2 ? copier.u32() : 0;
    const from = offsets.length;
    if (flags !== 1) copier.expression(copier.pos);
    const offset = flags === 1 ? null : offsets.view().slice(from, -1);
    const size = copier.u32();
    const start = copier.pos;
    copier.pos += size;
    return { unit, memory, offset, start, size, isLate: false };
  });
}

/** Returns the address that an offset names; null if it is no constant. */
function constantOf(offset: Uint8Array): number | null {
  if (offset[0] !== op.i32Const) return null;
  let value = 0;
  for (let at = 1, shift = 0; at < offset.length; at += 1, shift += 7) {
    const byte = offset[at] as number;
    value |= (byte & 0x7f) << shift;
    if (byte >= 0x80) continue;
    if (at < offset.length - 1) return null;
    return (shift < 25 && (byte & 0x40) !== 0 ? value | (-1 << (shift + 7)) : value) >>> 0;
  }
  return null;
}
