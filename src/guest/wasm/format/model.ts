/** A module as read: the contents of its sections as plain data. Code bodies stay bytes. */
import type { FuncType, ValType } from '../../../protocol/module.ts';
import type { CapName } from './caps.ts';
import type { FeatureName, RefusedFeature } from './features.ts';

/** Section ids, in the order that the specification prescribes (5.5.2). */
export const sectionOrder: readonly number[] = [1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11];
export const sectionNames = [
  'custom',
  'type',
  'import',
  'function',
  'table',
  'memory',
  'global',
  'export',
  'start',
  'element',
  'code',
  'data',
  'data count',
  'tag',
] as const;

/** A section of the binary format (5.5.2). `id` is its byte; positions are offsets in the file, in bytes. */
export interface Section {
  readonly id: number;
  /** Offset of the payload, after id and size. The payload of a custom section begins with its name. */
  readonly start: number;
  readonly end: number;
  /**
   * Position of a custom section: it comes after the known section of this rank (index in sectionOrder); -1: before
   * all.
   */
  readonly rank: number;
}

/**
 * Limits of a table, in entries, or of a memory, in pages of 64 KiB: numbers of 32 bits. A maximum of null: none is
 * declared.
 */
export interface Limits32 {
  readonly initial: number;
  readonly maximum: number | null;
}
/** An imported function: `type` is the index of its type. */
export interface FunctionImportEntry {
  readonly module: string;
  readonly name: string;
  readonly type: number;
}
/** An import of a table, memory or global. */
export interface OtherImport {
  readonly module: string;
  readonly name: string;
  readonly kind: 'table' | 'memory' | 'global' | 'tag';
}
export interface Table extends Limits32 {
  readonly element: ValType;
  readonly imported: boolean;
}
export interface Memory extends Limits32 {
  readonly imported: boolean;
}
export interface Global {
  readonly type: ValType;
  readonly mutable: boolean;
  readonly imported: boolean;
  /** Byte range of the initialiser without its `end`; null for an imported global. */
  readonly initialiser: { readonly start: number; readonly end: number } | null;
}
export const exportKinds = ['function', 'table', 'memory', 'global', 'tag'] as const;
export interface Export {
  readonly name: string;
  readonly kind: (typeof exportKinds)[number];
  readonly index: number;
}

/** A use of a feature that is not accepted. */
export interface RefusedUse {
  readonly feature: RefusedFeature;
  /** Name of the instruction, type or flag that needs the feature. */
  readonly what: string;
  /** Offset in the file, in bytes. */
  readonly offset: number;
  /** Index of the function that contains the use; null outside of code. */
  readonly functionIndex: number | null;
}

/** A cap (caps.ts) that the module exceeds, with its value. */
export interface CapBreach {
  readonly cap: CapName;
  /** Number in the unit of the cap. */
  readonly value: number;
  readonly functionIndex: number | null;
}

/** An active data segment whose bytes do not fit into the memory. */
export interface MisplacedData {
  /** Index of the segment. */
  readonly segment: number;
  /** Memory address to which the segment is copied, in bytes. */
  readonly address: number;
  readonly bytes: number;
}

export interface Module {
  readonly bytes: Uint8Array;
  readonly subject: string;
  readonly sections: Section[];
  readonly types: FuncType[];
  readonly functionImports: FunctionImportEntry[];
  readonly otherImports: OtherImport[];
  /** Type index of every function, imported functions first. */
  readonly functionTypes: number[];
  readonly tables: Table[];
  readonly memories: Memory[];
  /** Whether the module is part of a component: it may import and export tags, and have several memories. */
  readonly isPart: boolean;
  /** Type index of every tag, imported tags first. */
  readonly tags: number[];
  readonly globals: Global[];
  readonly exports: Export[];
  /** Index of the start function; null: there is none. */
  start: number | null;
  /** Number of element segments. */
  elementSegments: number;
  /** Number of entries of all element segments. */
  elements: number;
  /** Number of instructions of all constant expressions, each `end` included. */
  constantInstructions: number;
  /** Number of data segments that the data count section declares; null without such a section. */
  dataCount: number | null;
  /** Number of data segments. */
  dataSegments: number;
  /** Active data segments that lie outside of the module's own memory as it is at instantiation. */
  readonly misplacedData: MisplacedData[];
  readonly features: Set<FeatureName>;
  /** All uses of refused features that were met. Reading goes on while the layout of the following bytes is known. */
  readonly refused: RefusedUse[];
  /** Whether the whole module was read; if not, indices and lists are incomplete. */
  complete: boolean;
  /** A count so far beyond its cap that reading stopped; null: none. */
  hopeless: CapBreach | null;
  /**
   * Positions of function indices outside of the code section, in triples: position, length in bytes, index; ascending.
   * Rewriting shifts these indices.
   */
  readonly functionIndexUses: number[];
}

/** Returns the model of a module of which nothing was read. `subject` is its name in messages. */
export function emptyModule(bytes: Uint8Array, subject: string, isPart = false): Module {
  return {
    bytes,
    subject,
    sections: [],
    types: [],
    functionImports: [],
    otherImports: [],
    functionTypes: [],
    tables: [],
    memories: [],
    isPart,
    tags: [],
    globals: [],
    exports: [],
    start: null,
    elementSegments: 0,
    elements: 0,
    constantInstructions: 0,
    dataCount: null,
    dataSegments: 0,
    misplacedData: [],
    features: new Set(),
    refused: [],
    complete: true,
    hopeless: null,
    functionIndexUses: [],
  };
}

export function findSection(module: Module, id: number): Section | undefined {
  return module.sections.find((section) => section.id === id);
}
