/** Writes the fused module: the sections of all units one after the other, with new numbers. */
import { op } from '../wasm/format/instructions.ts';
import { findSection, type Section } from '../wasm/format/model.ts';
import { functionNames, functionNamesOf } from '../wasm/format/sections/custom.ts';
import { writeLimits } from '../wasm/format/sections/import.ts';
import { valTypeBytes } from '../wasm/format/types.ts';
import { ByteWriter } from '../wasm/format/writer.ts';
import { FusedData } from './fused-data.ts';
import type { FusedLines } from './fused-lines.ts';
import { functionType, type LoadedUnit, type NumberedUnits } from './number-units.ts';
import { tooLargeComponent } from './refusals.ts';
import { CodeCopier, type ExceptionForm, type Numbering } from './renumber.ts';
import type { KeptExport } from './unit.ts';

export class FusedWriter {
  readonly #numbers: NumberedUnits;
  readonly #subject: string;
  readonly #fusedBytesMax: number;

  /** Forms in which the code of each unit catches exceptions. */
  readonly forms: readonly Set<ExceptionForm>[];

  /** `subject` is the name of the component in messages. The code is refused beyond `fusedBytesMax` bytes. */
  constructor(numbers: NumberedUnits, subject: string, fusedBytesMax: number) {
    this.#numbers = numbers;
    this.#subject = subject;
    this.#fusedBytesMax = fusedBytesMax;
    this.forms = numbers.units.map(() => new Set());
  }

  /**
   * Returns the module, whose only exports are `keep`. `bytes` is the size of all units. `lines` hears where code goes.
   */
  write(keep: readonly KeptExport[], bytes: number, lines: FusedLines): Uint8Array {
    const data = new FusedData({
      numbers: this.#numbers,
      subject: this.#subject,
      copier: (into, unit) => this.#copier(into, unit),
    });
    const starts = this.#numbers.units.flatMap(({ module }, unit) =>
      module.start === null ? [] : [this.#numbering(unit).functions[module.start] as number],
    );
    /** Whether a function is added that calls all start functions. */
    const joins = starts.length > 1 || data.hasLate;
    const startType = joins ? this.#numbers.type({ params: [], results: [] }) : 0;
    const writer = new ByteWriter(bytes + 65_536);
    writer.raw(header);
    this.#writeTypes(writer);
    if (this.#numbers.hosts.length > 0) {
      writer.section(2, () => {
        writer.u32(this.#numbers.hosts.length);
        for (const { target, type } of this.#numbers.hosts) {
          writer.name(target.module);
          writer.name(target.name);
          writer.u8(0);
          writer.u32(type);
        }
      });
    }
    const defined = this.#numbers.units.flatMap(({ module, imports }, unit) =>
      module.functionTypes.slice(imports.functions.length).map((type) => this.#numbering(unit).types[type] as number),
    );
    writer.section(3, () => {
      writer.u32(defined.length + (joins ? 1 : 0));
      for (const type of defined) writer.u32(type);
      if (joins) writer.u32(startType);
    });
    this.#writeTables(writer);
    this.#writeMemory(writer);
    this.#writeTags(writer);
    this.#writeGlobals(writer);
    writer.section(7, () => {
      writer.u32(keep.length);
      for (const { unit, name } of keep) {
        const found = (this.#numbers.units[unit] as LoadedUnit).exports.get(name);
        if (found?.kind !== 'function') throw new Error(`unit ${unit} exports no function ${name}`);
        writer.name(name);
        writer.u8(0);
        writer.u32(this.#numbering(unit).functions[found.index] as number);
      }
    });
    const start = joins ? this.#numbers.hosts.length + defined.length : starts[0];
    if (start !== undefined) writer.section(8, () => writer.u32(start));
    this.#writeElements(writer);
    if (data.hasLate || this.#numbers.units.some(({ module }) => module.dataCount !== null))
      writer.section(12, () => writer.u32(data.count));
    this.#writeCode(writer, joins ? data : null, lines);
    if (data.count > 0) writer.section(11, () => data.write(writer));
    this.#writeNames(writer);
    return writer.view();
  }

  #writeTypes(writer: ByteWriter): void {
    writer.section(1, () => {
      writer.u32(this.#numbers.types.length);
      for (const { params, results } of this.#numbers.types) {
        writer.u8(0x60);
        for (const list of [params, results]) {
          writer.u32(list.length);
          for (const type of list) writer.u8(valTypeBytes[type]);
        }
      }
    });
  }

  #writeTables(writer: ByteWriter): void {
    const tables = this.#numbers.units.flatMap(({ module }) => module.tables.filter((table) => !table.imported));
    if (tables.length === 0) return;
    writer.section(4, () => {
      writer.u32(tables.length);
      for (const table of tables) {
        writer.u8(valTypeBytes[table.element]);
        writeLimits(writer, table);
      }
    });
  }

  #writeMemory(writer: ByteWriter): void {
    const owners =
      this.#numbers.memories === null
        ? this.#numbers.units
        : this.#numbers.units.slice(this.#numbers.memories.unit, this.#numbers.memories.unit + 1);
    const memory = owners.flatMap(({ module }) => module.memories).find((one) => !one.imported);
    if (memory === undefined) return;
    writer.section(5, () => {
      writer.u32(1);
      writeLimits(writer, memory);
    });
  }

  #writeTags(writer: ByteWriter): void {
    const tags = this.#numbers.units.flatMap(({ module, imports }, unit) =>
      module.tags.slice(imports.tags.length).map((type) => this.#numbering(unit).types[type] as number),
    );
    if (tags.length === 0) return;
    writer.section(13, () => {
      writer.u32(tags.length);
      for (const type of tags) {
        writer.u8(0);
        writer.u32(type);
      }
    });
  }

  #writeGlobals(writer: ByteWriter): void {
    const count = this.#numbers.units.reduce(
      (sum, { module, imports }) => sum + module.globals.length - imports.globals.length,
      0,
    );
    if (count === 0) return;
    writer.section(6, () => {
      writer.u32(count);
      this.#numbers.units.forEach(({ module }, unit) => {
        const section = findSection(module, 6);
        if (section === undefined) return;
        const copier = this.#copier(writer, unit);
        copier.pos = section.start;
        for (let left = copier.u32(); left > 0; left -= 1) {
          writer.raw(module.bytes, copier.pos, copier.pos + 2);
          copier.expression(copier.pos + 2);
        }
      });
    });
  }

  #writeElements(writer: ByteWriter): void {
    const count = this.#numbers.units.reduce((sum, { module }) => sum + module.elementSegments, 0);
    if (count === 0) return;
    writer.section(9, () => {
      writer.u32(count);
      this.#numbers.units.forEach(({ module }, unit) => {
        const section = findSection(module, 9);
        if (section === undefined) return;
        const copier = this.#copier(writer, unit);
        copier.pos = section.start;
        for (let left = copier.u32(); left > 0; left -= 1) this.#writeElement(writer, module.bytes, copier, unit);
      });
    });
  }

  /** Copies an element segment (5.5.12). Bit 0: not active; bit 1: index or declarative; bit 2: expressions. */
  #writeElement(writer: ByteWriter, bytes: Uint8Array, copier: CodeCopier, unit: number): void {
    const flags = copier.u32();
    const numbering = this.#numbering(unit);
    const isActive = (flags & 1) === 0;
    const hasExpressions = (flags & 4) !== 0;
    if (isActive) {
      writer.u32(2 | (flags & 4));
      const table = (flags & 2) === 0 ? 0 : copier.u32();
      writer.u32(numbering.tables[table] as number);
      copier.expression(copier.pos);
    } else writer.u32(flags);
    // Without flags the element kind is not written: the format implies functions, or expressions of funcref.
    if ((flags & 3) === 0) writer.u8(hasExpressions ? valTypeBytes.funcref : 0);
    else writer.u8(bytes[copier.pos++] as number);
    const entries = copier.u32();
    writer.u32(entries);
    for (let left = entries; left > 0; left -= 1) {
      if (hasExpressions) copier.expression(copier.pos);
      else writer.u32(numbering.functions[copier.u32()] as number);
    }
  }

  /** `data` comes before the start functions of its units, all of which one function calls; null: there is none. */
  #writeCode(writer: ByteWriter, data: FusedData | null, lines: FusedLines): void {
    writer.section(10, () => {
      const payload = writer.length;
      const bodies = this.#numbers.units.reduce(
        (sum, { module, imports }) => sum + module.functionTypes.length - imports.functions.length,
        0,
      );
      writer.u32(bodies + (data === null ? 0 : 1));
      this.#numbers.units.forEach(({ module, imports }, unit) => {
        let index = imports.functions.length;
        const section: Section | undefined = findSection(module, 10);
        if (section === undefined) return;
        const copier = this.#copier(writer, unit);
        const marks = lines.marksOf(module.bytes, section.start);
        copier.pos = section.start;
        for (let left = copier.u32(); left > 0; left -= 1) {
          const size = copier.u32();
          const start = copier.pos;
          const { params } = functionType(module, index);
          marks?.beginBody(start);
          let written = 0;
          writer.sized(() => {
            const before = writer.length;
            copier.body(start, params.length, marks);
            written = writer.length - before;
          });
          marks?.endBody(writer.length - written - payload);
          checkFusedBytes(writer.length, this.#fusedBytesMax, this.#subject);
          copier.pos = start + size;
          index += 1;
        }
        if (marks !== null) lines.endUnit(marks, writer.length - payload);
      });
      if (data === null) return;
      writer.sized(() => {
        writer.u32(0);
        this.#numbers.units.forEach(({ module }, unit) => {
          data.writeLate(writer, unit);
          if (module.start !== null)
            writer.instruction(op.call, this.#numbering(unit).functions[module.start] as number);
        });
        writer.u8(op.end);
      });
    });
  }

  /** Writes the names of the functions that the modules define, in order of their new indices. */
  #writeNames(writer: ByteWriter): void {
    const names = this.#numbers.units.flatMap(({ module, imports }, unit) => {
      const first = imports.functions.length;
      const defined = new Set(Array.from({ length: module.functionTypes.length - first }, (_, index) => first + index));
      const { functions } = this.#numbering(unit);
      return [...functionNamesOf(module, defined)].map(([index, name]) => [functions[index] as number, name] as const);
    });
    if (names.length === 0) return;
    names.sort(([left], [right]) => left - right);
    writer.section(0, () => {
      writer.name('name');
      writer.section(functionNames, () => {
        writer.u32(names.length);
        for (const [index, name] of names) {
          writer.u32(index);
          writer.name(name);
        }
      });
    });
  }

  #numbering(unit: number): Numbering {
    return this.#numbers.numberings[unit] as Numbering;
  }

  #copier(writer: ByteWriter, unit: number): CodeCopier {
    return new CodeCopier((this.#numbers.units[unit] as LoadedUnit).module.bytes, this.#numbering(unit), writer, {
      subject: this.#subject,
      forms: this.forms[unit] as Set<ExceptionForm>,
    });
  }
}

/** Throws `module_too_large` for more than `most` bytes. */
export function checkFusedBytes(bytes: number, most: number, subject: string): void {
  if (bytes > most) throw tooLargeComponent(subject, 'bytes of all core instances', most);
}

const header = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
