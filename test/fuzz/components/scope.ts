/** What a component that is being made has defined so far: the items of its index spaces, its names, its bytes. */

import type { FunctionType, WitType } from '../../../src/guest/component/wit.ts';
import type { FuncType } from '../../../src/protocol/module.ts';
import { bytes, component } from '../../support/component-builder.ts';

/** Whether all types that something uses have a name among the imports, and among the exports. */
export interface Visible {
  readonly imported: boolean;
  readonly exported: boolean;
}

export type TypeItem = Visible &
  (
    | { readonly kind: 'value'; readonly type: WitType }
    | { readonly kind: 'func'; readonly type: FunctionType }
    | { readonly kind: 'resource'; readonly id: string; readonly isOwn: boolean }
    | { readonly kind: 'instance'; readonly exports: Named }
    | { readonly kind: 'component'; readonly imports: Named; readonly exports: Named }
  );

/**
 * `module`: types of the functions that a core module imports and exports, by name; `hasMemory`: it exports `memory`.
 */
export interface CoreModuleItem {
  readonly imports: Readonly<Record<string, FuncType>>;
  readonly exports: Readonly<Record<string, FuncType>>;
  readonly hasMemory: boolean;
}

export interface Items {
  readonly type: TypeItem;
  readonly func: Visible & { readonly type: FunctionType };
  readonly instance: { readonly exports: Named };
  readonly component: { readonly imports: Named; readonly exports: Named };
  readonly 'core func': FuncType;
  readonly 'core memory': null;
  readonly 'core module': CoreModuleItem;
  readonly 'core instance': CoreModuleItem | { readonly bundle: Readonly<Record<string, FuncType>> };
}

export type Sort = keyof Items;
export type OuterSort = 'type' | 'func' | 'instance' | 'component';
export type Entry = { readonly [S in OuterSort]: { readonly sort: S; readonly item: Items[S] } }[OuterSort];
export type Named = ReadonlyMap<string, Entry>;

export const sortBytes: Readonly<Record<OuterSort, number>> = { func: 1, type: 3, component: 4, instance: 5 };

export type Part = number | string | readonly Part[] | Uint8Array;

/** `kind`: what is made, a component or a type with declarations. */
export type ScopeKind = 'component' | 'component type' | 'instance type';

export class Scope {
  readonly kind: ScopeKind;
  readonly parent: Scope | null;
  readonly spaces: { readonly [S in Sort]: Items[S][] } = {
    type: [],
    func: [],
    instance: [],
    component: [],
    'core func': [],
    'core memory': [],
    'core module': [],
    'core instance': [],
  };
  readonly imports = new Map<string, Entry>();
  readonly exports = new Map<string, Entry>();
  /** Sections, or declarations. */
  readonly parts: Part[] = [];
  #names = 0;

  /** Returns the component of these sections. */
  static component(parts: readonly Part[]): Uint8Array {
    return component(...parts.map((part) => bytes(part)));
  }

  constructor(kind: ScopeKind, parent: Scope | null) {
    this.kind = kind;
    this.parent = parent;
  }

  /** Number of types with declarations and components around this one. */
  get depth(): number {
    return this.parent === null ? 0 : this.parent.depth + 1;
  }

  /** Adds an item. Returns its index. */
  push<S extends Sort>(sort: S, item: Items[S]): number {
    return this.spaces[sort].push(item) - 1;
  }

  /** Returns a name that this scope has not given away. */
  freshName(): string {
    this.#names += 1;
    return `n${this.#names}`;
  }
}

/** Returns the items with every resource id that `ids` has replaced. */
export function withResources<T>(item: T, ids: ReadonlyMap<string, string>): T {
  if (ids.size === 0) return item;
  // A Map as before.
  if (item instanceof Map) return new Map([...item].map(([name, entry]) => [name, withResources(entry, ids)])) as T;
  if (Array.isArray(item)) return item.map((one) => withResources(one, ids)) as T;
  if (typeof item !== 'object' || item === null) return item;
  return Object.fromEntries(
    Object.entries(item).map(([key, value]) => [
      key,
      key === 'id' ? (ids.get(value as string) ?? value) : withResources(value, ids),
    ]),
  ) as T; // the same fields
}

/** Returns a text that is the same for items of the same types. */
export function keyOf(item: unknown): string {
  return JSON.stringify(item, (_, value) => (value instanceof Map ? [...value].sort(byName) : value));
}

function byName([left]: [string, unknown], [right]: [string, unknown]): number {
  return left < right ? -1 : 1;
}
