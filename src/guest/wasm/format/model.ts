/** A module as read: what the sections say, as plain data. Code bodies stay bytes. */
import type { FuncType, ValType } from '../../../protocol/module.ts';
import type { CapName } from './caps.ts';
import type { FeatureName, RefusedFeature } from './features.ts';

/** Section ids, in the order that the specification prescribes (5.5.2). */
export const sectionOrder = [1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11] as const;
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

export interface Section {
  readonly id: number;
  /** Offset of the payload, after id and size; in a custom section its name comes first. */
  readonly start: number;
  readonly end: number;
  /** A custom section stands behind the known section of this rank (index in sectionOrder), -1: before all. */
  readonly rank: number;
}

export interface Limits32 {
  readonly initial: number;
  readonly maximum: number | null;
}
export interface FunctionImportEntry {
  readonly module: string;
  readonly name: string;
  readonly type: number;
}
/** An import that is not a function. */
export interface OtherImport {
  readonly module: string;
  readonly name: string;
  readonly kind: 'table' | 'memory' | 'global';
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
  /** Bytes of the initialiser, without its `end`; null of an imported one. */
  readonly initialiser: { readonly start: number; readonly end: number } | null;
}
export const exportKinds = ['function', 'table', 'memory', 'global'] as const;
export interface Export {
  readonly name: string;
  readonly kind: (typeof exportKinds)[number];
  readonly index: number;
}

/** A feature outside the accepted set. */
export interface RefusedUse {
  readonly feature: RefusedFeature;
  /** The instruction, type or flag that needs it. */
  readonly what: string;
  readonly offset: number;
  /** Index of the function it stands in, null outside of code. */
  readonly functionIndex: number | null;
}

/** A cap (caps.ts) that the module exceeds. */
export interface CapBreach {
  readonly cap: CapName;
  readonly value: number;
  readonly functionIndex: number | null;
}

/** An active data segment whose bytes do not fit into the memory. */
export interface MisplacedData {
  readonly segment: number;
  /** Address in the memory to which the segment is copied, in bytes. */
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
  /** Type index of every function, imports first. */
  readonly functionTypes: number[];
  readonly tables: Table[];
  readonly memories: Memory[];
  /** The type index of every tag; none is imported. */
  readonly tags: number[];
  readonly globals: Global[];
  readonly exports: Export[];
  start: number | null;
  elementSegments: number;
  /** Entries of all element segments together. */
  elements: number;
  /** Instructions of all constant expressions together, `end` included. */
  constantInstructions: number;
  /** From the data count section; null without one. */
  dataCount: number | null;
  dataSegments: number;
  /** Active data segments that lie outside of the module's own memory as it is at instantiation. */
  readonly misplacedData: MisplacedData[];
  readonly features: Set<FeatureName>;
  /** Everything refused that has been met; reading goes on where the layout is still known. */
  readonly refused: RefusedUse[];
  /** False when reading has stopped before the end: indices and lists are then incomplete. */
  complete: boolean;
  /** A count so far beyond its cap that reading stopped there; null: none. */
  hopeless: CapBreach | null;
  /**
   * Places of function indices outside of the code section, in triples: position, length in bytes, index; ascending.
   * Rewriting shifts them.
   */
  readonly functionIndexUses: number[];
}

export function emptyModule(bytes: Uint8Array, subject: string): Module {
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
