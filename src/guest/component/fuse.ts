/**
 * Fuses core modules that import from each other into one module. Renumbers functions, types, tables, globals and
 * segments; imports of host functions stay imports. Keeps the names of functions, which messages about traps show. The
 * engine validates every module first, and the type of every
 * import is compared with that of its definition, so the fused module is valid if the modules are.
 *
 * The fused module applies all active segments before it runs the first start function. Therefore a module with data
 * that comes after a module with a start function is refused: its guest could see the changed order.
 */

import { PAGE_BYTES } from '../../protocol/limits.ts';
import type { FuncType } from '../../protocol/module.ts';
import { constant, op } from '../wasm/format/instructions.ts';
import { findSection, type Module, type Section } from '../wasm/format/model.ts';
import { functionNames, functionNamesOf } from '../wasm/format/sections/custom.ts';
import { writeLimits } from '../wasm/format/sections/import.ts';
import { valTypeBytes } from '../wasm/format/types.ts';
import { ByteWriter } from '../wasm/format/writer.ts';
import { printable } from '../wasm/inspect/findings.ts';
import { formatType, sameType } from '../wasm/inspect/imports.ts';
import { componentCaps } from './caps.ts';
import { CoreModules } from './core-modules.ts';
import { memoryExports, type PlacedMemory } from './memories.ts';
import { invalidComponent, tooLargeComponent, unsupportedComponent } from './refusals.ts';
import type { RelocatedMemory } from './relocate.ts';
import { CodeCopier, type Numbering } from './renumber.ts';

/** Definition that an import of a unit is connected to. */
export type ImportTarget =
  | { readonly kind: 'unit'; readonly unit: number; readonly name: string }
  /** An import of the fused module, with this name and type. */
  | { readonly kind: 'host'; readonly module: string; readonly name: string; readonly type: FuncType };

export type HostTarget = Extract<ImportTarget, { readonly kind: 'host' }>;

export interface Unit {
  readonly bytes: Uint8Array;
  /** Returns the definition that an import is connected to; null if there is none. */
  readonly resolve: (module: string, name: string) => ImportTarget | null;
}

/** Memories of units that lie in the memory of another unit. */
export interface MergedMemories {
  /** The unit that memories.ts wrote. */
  readonly unit: number;
  readonly placed: readonly PlacedMemory[];
  /** Number of the memory of each unit; null: none, or the whole memory. */
  readonly ofUnit: readonly (number | null)[];
}

export interface FuseOptions {
  /** Name of the component in messages. */
  readonly subject: string;
  readonly modules?: CoreModules;
  /** Absent: the units have one memory at most. */
  readonly memories?: MergedMemories | null;
  /** Most bytes of all units together, and of the code of the fused module. Absent: componentCaps.fusedBytes. */
  readonly fusedBytesMax?: number;
}

/** A function export of the fused module. */
export interface KeptExport {
  readonly unit: number;
  readonly name: string;
}

type Space = 'functions' | 'tables' | 'memories' | 'globals';
const kindOf = { functions: 'function', tables: 'table', memories: 'memory', globals: 'global' } as const;
const spaces = Object.keys(kindOf) as readonly Space[];

/** Target of a unit's index: a definition of a unit, or a host function. */
type Place =
  | { readonly kind: 'defined'; readonly unit: number; readonly index: number }
  | { readonly kind: 'host'; readonly target: HostTarget };

interface Import {
  readonly module: string;
  readonly name: string;
}

interface Loaded {
  readonly unit: Unit;
  readonly module: Module;
  /** Imports of each index space. Their indices come before those of the module's own definitions. */
  readonly imports: Readonly<Record<Space, readonly Import[]>>;
  readonly exports: ReadonlyMap<string, { readonly kind: string; readonly index: number }>;
}

/**
 * Returns the fused module, whose only exports are `keep`. Throws `module_invalid`, `module_unsupported`,
 * `module_too_large`.
 */
export function fuse(units: readonly Unit[], keep: readonly KeptExport[], options: FuseOptions): Uint8Array {
  const { subject } = options;
  const { fusedBytesMax = componentCaps.fusedBytes } = options;
  const bytes = units.reduce((sum, unit) => sum + unit.bytes.length, 0);
  checkFusedBytes(bytes, fusedBytesMax, subject);
  return new Fusion(units, options).write(keep, bytes);
}

function checkFusedBytes(bytes: number, most: number, subject: string): void {
  if (bytes > most) throw tooLargeComponent(subject, 'bytes of all core instances', most);
}

class Fusion {
  readonly #units: readonly Loaded[];
  readonly #subject: string;
  readonly #types: FuncType[] = [];
  readonly #typeIndex = new Map<string, number>();
  readonly #hosts: { readonly target: HostTarget; readonly type: number }[] = [];
  readonly #hostIndex = new Map<string, number>();
  readonly #numberings: Numbering[] = [];
  readonly #memories: MergedMemories | null;
  readonly #fusedBytesMax: number;

  constructor(
    units: readonly Unit[],
    { subject, memories, modules = new CoreModules(subject), fusedBytesMax = componentCaps.fusedBytes }: FuseOptions,
  ) {
    this.#subject = subject;
    this.#fusedBytesMax = fusedBytesMax;
    this.#memories = memories ?? null;
    this.#units = units.map((unit) => load(unit, modules.read(unit.bytes)));
    this.#checkOrder();
    this.#number();
  }

  /**
   * Refuses a module with data after a module with a start function, which must run before that data is written. A
   * memory of its own that the later module brings cannot be seen by the earlier one.
   */
  #checkOrder(): void {
    const first = this.#units.findIndex(({ module }) => module.start !== null);
    if (first < 0) return;
    const seen = new Set(this.#memories?.ofUnit.slice(0, first + 1));
    this.#units.forEach(({ module }, unit) => {
      if (unit <= first || module.dataSegments === 0) return;
      const memory = this.#memories?.ofUnit[unit];
      if (memory === undefined || seen.has(memory))
        throw unsupportedComponent(this.#subject, 'a start function before the data of a later core module');
    });
  }

  /** Returns the place of the memory that the code of `unit` uses; null if it uses the whole memory, or none. */
  #memoryOf(unit: number): PlacedMemory | null {
    const number = this.#memories?.ofUnit[unit] ?? null;
    return number === null ? null : (this.#memories?.placed[number] ?? null);
  }

  /** Returns the indices with which the code of `unit` uses its memory; null if it uses the whole memory, or none. */
  #relocated(unit: number, firstOf: readonly Record<Space, number>[]): RelocatedMemory | null {
    const memory = this.#memories?.ofUnit[unit] ?? null;
    const placed = this.#memoryOf(unit);
    if (this.#memories === null || memory === null || placed === null) return null;
    const owner = this.#memories.unit;
    const { exports } = this.#units[owner] as Loaded;
    const first = firstOf[owner] as Record<Space, number>;
    const index = (space: Space, name: string): number => first[space] + (exports.get(name)?.index ?? 0);
    return {
      base: index('globals', memoryExports.base(memory)),
      bytes: index('globals', memoryExports.bytes(memory)),
      range: index('functions', memoryExports.range(memory)),
      grow: index('functions', memoryExports.grow(memory)),
      bytesMin: placed.initial * PAGE_BYTES,
    };
  }

  /**
   * Writes where the active data segment at the copier lies in the whole memory. Throws `module_unsupported` for an
   * offset that is no constant, `module_invalid` for data outside of the memory.
   */
  #writeOffset(writer: ByteWriter, module: Module, copier: CodeCopier, { base, initial }: PlacedMemory): void {
    const start = copier.pos;
    const isConstant = module.bytes[start] === op.i32Const;
    copier.pos = start + 1;
    const offset = isConstant ? copier.s32() >>> 0 : 0;
    if (!isConstant || module.bytes[copier.pos] !== op.end)
      throw unsupportedComponent(this.#subject, 'data at a computed offset in one of several memories');
    copier.pos += 1;
    const after = copier.pos;
    const size = copier.u32();
    copier.pos = after;
    if (offset + size > initial * PAGE_BYTES) throw this.#fail('data lies outside of the memory of a core module');
    constant(writer, (base + offset) | 0);
    writer.u8(op.end);
  }

  /** Returns the definition that index `index` of `unit` leads to, through imports of other units. */
  #place(unit: number, space: Space, index: number): Place {
    let at = { unit, index };
    // Each step goes to an earlier unit or to the glue; more steps than units are a cycle.
    for (let steps = 0; steps <= this.#units.length + 1; steps += 1) {
      const loaded = this.#units[at.unit] as Loaded;
      const wanted = loaded.imports[space][at.index];
      if (wanted === undefined) return { kind: 'defined', ...at };
      const target = loaded.unit.resolve(wanted.module, wanted.name);
      if (target === null) throw this.#fail(`a core module gets no ${label(wanted)}`);
      if (target.kind === 'host') {
        if (space !== 'functions') throw this.#fail(`${label(wanted)} is a function, not a ${kindOf[space]}`);
        return { kind: 'host', target };
      }
      const found = (this.#units[target.unit] as Loaded).exports.get(target.name);
      if (found?.kind !== kindOf[space])
        throw this.#fail(`a core module exports no ${kindOf[space]} ${JSON.stringify(printable(target.name))}`);
      at = { unit: target.unit, index: found.index };
    }
    throw this.#fail('core modules import in a circle');
  }

  #fail(problem: string): never {
    throw invalidComponent(this.#subject, problem);
  }

  #type(type: FuncType): number {
    const key = `${type.params.join()}>${type.results.join()}`;
    let index = this.#typeIndex.get(key);
    if (index === undefined) {
      index = this.#types.push(type) - 1;
      this.#typeIndex.set(key, index);
    }
    return index;
  }

  #host(target: HostTarget): number {
    const key = JSON.stringify([target.module, target.name, target.type]);
    let index = this.#hostIndex.get(key);
    if (index === undefined) {
      index = this.#hosts.push({ target, type: this.#type(target.type) }) - 1;
      this.#hostIndex.set(key, index);
    }
    return index;
  }

  #number(): void {
    const places = this.#units.map((loaded, unit) => {
      const of = (space: Space) => loaded.imports[space].map((_, index) => this.#checked(unit, space, index));
      return { functions: of('functions'), tables: of('tables'), memories: of('memories'), globals: of('globals') };
    });
    for (const { functions } of places)
      for (const place of functions) if (place.kind === 'host') this.#host(place.target);
    // Numbers of definitions follow those of the imports, unit by unit.
    const next = { functions: this.#hosts.length, tables: 0, memories: 0, globals: 0 };
    const firstOf = this.#units.map((loaded) => {
      const first = { ...next };
      for (const space of spaces) next[space] += sizeOf(loaded.module, space) - loaded.imports[space].length;
      return first;
    });
    if (next.memories > 1 && this.#memories === null)
      throw unsupportedComponent(this.#subject, `${next.memories} memories in one component`);
    let elements = 0;
    let data = 0;
    this.#units.forEach((loaded, unit) => {
      const numbers = (space: Space): number[] => {
        const imported = (places[unit] as (typeof places)[number])[space];
        return Array.from({ length: sizeOf(loaded.module, space) }, (_, index) => {
          const place = imported[index] ?? { kind: 'defined', unit, index };
          if (place.kind === 'host') return this.#host(place.target);
          const owner = this.#units[place.unit] as Loaded;
          return (firstOf[place.unit] as typeof next)[space] + place.index - owner.imports[space].length;
        });
      };
      this.#numberings.push({
        types: loaded.module.types.map((type) => this.#type(type)),
        functions: numbers('functions'),
        tables: numbers('tables'),
        globals: numbers('globals'),
        elements,
        data,
        memory: this.#relocated(unit, firstOf),
      });
      elements += loaded.module.elementSegments;
      data += loaded.module.dataSegments;
    });
  }

  /**
   * Returns the definition that an import leads to. Throws `module_invalid` if its type does not fit (core
   * specification, 3.2.7 Import Subtyping).
   */
  #checked(unit: number, space: Space, index: number): Place {
    const { module, imports } = this.#units[unit] as Loaded;
    const place = this.#place(unit, space, index);
    const wanted = imports[space][index] as Import;
    const differs = (found: string, expected: string): never =>
      this.#fail(`${label(wanted)} is ${found}; the core module wants ${expected}`);
    if (space === 'functions') {
      const expected = functionType(module, index);
      const found =
        place.kind === 'host'
          ? place.target.type
          : functionType((this.#units[place.unit] as Loaded).module, place.index);
      if (!sameType(expected, found)) differs(formatType(found), formatType(expected));
      return place;
    }
    if (place.kind === 'host') return place;
    const owner = (this.#units[place.unit] as Loaded).module;
    if (space === 'globals') {
      const expected = module.globals[index];
      const found = owner.globals[place.index];
      if (expected?.type !== found?.type || expected?.mutable !== found?.mutable)
        differs(`a global of ${found?.type}`, `one of ${expected?.type}`);
      return place;
    }
    const expected = module[space][index];
    const found = owner[space][place.index];
    if (expected === undefined || found === undefined) throw this.#fail(`there is no ${label(wanted)}`);
    if ('element' in expected && 'element' in found && expected.element !== found.element)
      differs(`a table of ${found.element}`, `one of ${expected.element}`);
    const fits =
      found.initial >= expected.initial &&
      (expected.maximum === null || (found.maximum !== null && found.maximum <= expected.maximum));
    if (!fits) differs(limitsText(found), limitsText(expected));
    return place;
  }

  write(keep: readonly KeptExport[], bytes: number): Uint8Array {
    const starts = this.#units.flatMap(({ module }, unit) =>
      module.start === null ? [] : [this.#numbering(unit).functions[module.start] as number],
    );
    const startType = starts.length > 1 ? this.#type({ params: [], results: [] }) : 0;
    const writer = new ByteWriter(bytes + 65_536);
    writer.raw(header);
    this.#writeTypes(writer);
    if (this.#hosts.length > 0) {
      writer.section(2, () => {
        writer.u32(this.#hosts.length);
        for (const { target, type } of this.#hosts) {
          writer.name(target.module);
          writer.name(target.name);
          writer.u8(0);
          writer.u32(type);
        }
      });
    }
    const defined = this.#units.flatMap(({ module, imports }, unit) =>
      module.functionTypes.slice(imports.functions.length).map((type) => this.#numbering(unit).types[type] as number),
    );
    writer.section(3, () => {
      writer.u32(defined.length + (starts.length > 1 ? 1 : 0));
      for (const type of defined) writer.u32(type);
      if (starts.length > 1) writer.u32(startType);
    });
    this.#writeTables(writer);
    this.#writeMemory(writer);
    this.#writeGlobals(writer);
    writer.section(7, () => {
      writer.u32(keep.length);
      for (const { unit, name } of keep) {
        const found = (this.#units[unit] as Loaded).exports.get(name);
        if (found?.kind !== 'function') throw new Error(`unit ${unit} exports no function ${name}`);
        writer.name(name);
        writer.u8(0);
        writer.u32(this.#numbering(unit).functions[found.index] as number);
      }
    });
    const [start] = starts;
    if (start !== undefined)
      writer.section(8, () => writer.u32(starts.length > 1 ? this.#hosts.length + defined.length : start));
    this.#writeElements(writer);
    const dataSegments = this.#units.reduce((sum, { module }) => sum + module.dataSegments, 0);
    if (this.#units.some(({ module }) => module.dataCount !== null)) writer.section(12, () => writer.u32(dataSegments));
    this.#writeCode(writer, starts.length > 1 ? starts : []);
    if (dataSegments > 0) this.#writeData(writer, dataSegments);
    this.#writeNames(writer);
    return writer.view();
  }

  /** Writes the names of the functions that the modules define, in order of their new indices. */
  #writeNames(writer: ByteWriter): void {
    const names = this.#units.flatMap(({ module, imports }, unit) => {
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
    return this.#numberings[unit] as Numbering;
  }

  #copier(writer: ByteWriter, unit: number): CodeCopier {
    return new CodeCopier((this.#units[unit] as Loaded).module.bytes, this.#numbering(unit), writer, this.#subject);
  }

  #writeTypes(writer: ByteWriter): void {
    writer.section(1, () => {
      writer.u32(this.#types.length);
      for (const { params, results } of this.#types) {
        writer.u8(0x60);
        for (const list of [params, results]) {
          writer.u32(list.length);
          for (const type of list) writer.u8(valTypeBytes[type]);
        }
      }
    });
  }

  #writeTables(writer: ByteWriter): void {
    const tables = this.#units.flatMap(({ module }) => module.tables.filter((table) => !table.imported));
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
      this.#memories === null ? this.#units : this.#units.slice(this.#memories.unit, this.#memories.unit + 1);
    const memory = owners.flatMap(({ module }) => module.memories).find((one) => !one.imported);
    if (memory === undefined) return;
    writer.section(5, () => {
      writer.u32(1);
      writeLimits(writer, memory);
    });
  }

  #writeGlobals(writer: ByteWriter): void {
    const count = this.#units.reduce(
      (sum, { module, imports }) => sum + module.globals.length - imports.globals.length,
      0,
    );
    if (count === 0) return;
    writer.section(6, () => {
      writer.u32(count);
      this.#units.forEach(({ module }, unit) => {
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
    const count = this.#units.reduce((sum, { module }) => sum + module.elementSegments, 0);
    if (count === 0) return;
    writer.section(9, () => {
      writer.u32(count);
      this.#units.forEach(({ module }, unit) => {
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

  #writeCode(writer: ByteWriter, starts: readonly number[]): void {
    writer.section(10, () => {
      const bodies = this.#units.reduce(
        (sum, { module, imports }) => sum + module.functionTypes.length - imports.functions.length,
        0,
      );
      writer.u32(bodies + (starts.length > 0 ? 1 : 0));
      this.#units.forEach(({ module, imports }, unit) => {
        let index = imports.functions.length;
        const section: Section | undefined = findSection(module, 10);
        if (section === undefined) return;
        const copier = this.#copier(writer, unit);
        copier.pos = section.start;
        for (let left = copier.u32(); left > 0; left -= 1) {
          const size = copier.u32();
          const start = copier.pos;
          const { params } = functionType(module, index);
          writer.sized(() => copier.body(start, params.length));
          checkFusedBytes(writer.length, this.#fusedBytesMax, this.#subject);
          copier.pos = start + size;
          index += 1;
        }
      });
      if (starts.length === 0) return;
      writer.sized(() => {
        writer.u32(0);
        for (const start of starts) writer.instruction(0x10, start);
        writer.u8(0x0b);
      });
    });
  }

  #writeData(writer: ByteWriter, count: number): void {
    writer.section(11, () => {
      writer.u32(count);
      this.#units.forEach(({ module }, unit) => {
        const section = findSection(module, 11);
        if (section === undefined) return;
        const copier = this.#copier(writer, unit);
        copier.pos = section.start;
        for (let left = copier.u32(); left > 0; left -= 1) {
          const flags = copier.u32();
          if (flags === 2) copier.u32();
          writer.u32(flags & 1);
          const placed = flags === 1 ? null : this.#memoryOf(unit);
          if (placed !== null) this.#writeOffset(writer, module, copier, placed);
          else if (flags !== 1) copier.expression(copier.pos);
          const size = copier.u32();
          writer.u32(size);
          writer.raw(module.bytes, copier.pos, copier.pos + size);
          copier.pos += size;
        }
      });
    });
  }
}

const header = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);

function load(unit: Unit, module: Module): Loaded {
  const others = (kind: 'table' | 'memory' | 'global') => module.otherImports.filter((one) => one.kind === kind);
  return {
    unit,
    module,
    imports: {
      functions: module.functionImports,
      tables: others('table'),
      memories: others('memory'),
      globals: others('global'),
    },
    exports: new Map(module.exports.map(({ name, kind, index }) => [name, { kind, index }])),
  };
}

function sizeOf(module: Module, space: Space): number {
  return space === 'functions' ? module.functionTypes.length : module[space].length;
}

function functionType(module: Module, index: number): FuncType {
  return module.types[module.functionTypes[index] as number] as FuncType;
}

function label({ module, name }: Import): string {
  return `${printable(module)}.${printable(name)}`;
}

function limitsText({ initial, maximum }: { readonly initial: number; readonly maximum: number | null }): string {
  return maximum === null ? `${initial} or more` : `${initial} to ${maximum}`;
}
