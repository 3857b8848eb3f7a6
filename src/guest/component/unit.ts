/** What is fused (fuse.ts): core modules, the definitions that their imports are connected to, and their memories. */
import type { FuncType } from '../../protocol/module.ts';
import type { PlacedMemory } from './memories.ts';

/** Definition that an import of a unit is connected to. `unit` is the index of the unit that exports `name`. */
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
  /** Numbers of the memories of each unit, in its order. Null: the whole memory. */
  readonly ofUnit: readonly (readonly (number | null)[])[];
}

/** An export of the fused module: the function `name` of the unit with the index `unit`. */
export interface KeptExport {
  readonly unit: number;
  readonly name: string;
}
