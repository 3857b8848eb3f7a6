/** An evaluated component: its core instances in order, and the definition that every import and export leads to. */
import type { FuncType } from '../../protocol/module.ts';
import type { CoreSort, Declaration, Definition, PlainOperation, StreamOperation } from './model.ts';
import type { CoreDefinition, ModuleType } from './module-type.ts';
import type { FunctionType, ResourceType, TextEncoding, WitType } from './wit.ts';

/** Stands for the code of a core module of which only the type is known. */
export const unknownModule = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);

/** One instantiation of a core module. */
export interface CoreInstance {
  /** Position in the order of instantiation. */
  readonly index: number;
  /** Number of the component instance that instantiates the module. */
  readonly component: number;
  readonly module: Uint8Array;
  /**
   * Type of a module that only its declaration is known of, an import of a component that is never instantiated; else
   * null.
   */
  readonly declared: ModuleType | null;
  readonly args: ReadonlyMap<string, CoreInstanceItem>;
}

/** Arguments of a core module from one import module: the exports of an instance, or a set of named items. */
export type CoreInstanceItem =
  | { readonly kind: 'instance'; readonly instance: CoreInstance }
  | { readonly kind: 'bundle'; readonly exports: ReadonlyMap<string, CoreItem> };

export interface CoreExport {
  readonly kind: 'export';
  readonly instance: CoreInstance;
  readonly name: string;
  readonly sort: CoreSort;
}

/** A core function, memory, table, global or tag. */
export type CoreItem =
  | CoreExport
  /** A function of the canonical ABI, defined by the component instance of the number `component`. */
  | { readonly kind: 'canon'; readonly canon: CanonFunction; readonly component: number };

export interface Options {
  readonly encoding: TextEncoding;
  readonly memory: CoreItem | null;
  readonly realloc: CoreItem | null;
  readonly postReturn: CoreItem | null;
  readonly callback: CoreItem | null;
  readonly async: boolean;
}

/** A core function that the canonical ABI defines. `slot` is the number of a context slot, from 0. */
export type CanonFunction =
  | { readonly op: 'lower'; readonly func: FunctionItem; readonly options: Options }
  | { readonly op: 'resource.new' | 'resource.drop' | 'resource.rep'; readonly resource: ResourceItem }
  | { readonly op: 'task.return'; readonly result: WitType | null; readonly options: Options }
  | {
      readonly op: StreamOperation;
      readonly of: WitType | null;
      readonly options: Options | null;
      readonly async: boolean;
    }
  | { readonly op: 'context.get' | 'context.set'; readonly slot: number }
  | { readonly op: 'waitable-set.wait' | 'waitable-set.poll'; readonly memory: CoreItem }
  | { readonly op: 'error-context.new' | 'error-context.debug-message'; readonly options: Options }
  | { readonly op: 'subtask.cancel'; readonly async: boolean }
  | { readonly op: PlainOperation };

export interface HostFunction {
  readonly kind: 'host';
  /** Name as the component imports it: `wasi:io/streams@0.2.3`. */
  readonly interfaceName: string;
  readonly name: string;
  readonly type: FunctionType;
}

export interface LiftedFunction {
  readonly kind: 'lifted';
  readonly core: CoreItem;
  readonly options: Options;
  readonly type: FunctionType;
  /** Number of the component instance that lifts the function. */
  readonly component: number;
}

export type FunctionItem = HostFunction | LiftedFunction;

export interface ResourceItem {
  readonly kind: 'resource';
  readonly resource: ResourceType;
  /**
   * The host resource: interface name as the component imports it, and the name in that interface. Null for a resource
   * that a component defines.
   */
  readonly host: { readonly interfaceName: string; readonly name: string } | null;
  readonly destructor: CoreItem | null;
  /** Number of the component instance that defines the resource; null: the host does. */
  readonly component: number | null;
}

export type TypeItem =
  /**
   * A value type, measured when written out as a tree: `parts` is the number of its nodes, `depth` that of its levels.
   */
  | {
      readonly kind: 'value';
      readonly type: WitType;
      readonly parts: number;
      readonly depth: number;
      readonly hasHandles: boolean;
    }
  | { readonly kind: 'func'; readonly type: FunctionType; readonly hasHandles: boolean }
  | ResourceItem
  | {
      readonly kind: 'instance type' | 'component type';
      readonly declarations: readonly Declaration[];
      readonly scope: Scope;
      /** Whether it uses resources that are defined outside of it. */
      readonly hasHandles: boolean;
    };

/** The declarations of a type, and the scope in which they stand. */
export interface Declarations {
  readonly declarations: readonly Declaration[];
  readonly scope: Scope;
}

export type ComponentItem =
  | {
      readonly kind: 'defined';
      readonly definitions: readonly Definition[];
      readonly scope: Scope;
      /** The type that an import or export says it has; absent: its own. */
      readonly shownAs?: Declarations;
    }
  /** A component of which only the type is known: an import of a component that is never instantiated. */
  | (Declarations & { readonly kind: 'declared' });

export interface InstanceItem {
  readonly exports: ReadonlyMap<string, Entry>;
}

/** Contents of a component's index spaces, by sort. */
export interface Spaces {
  readonly 'core func': CoreItem[];
  readonly 'core table': CoreItem[];
  readonly 'core memory': CoreItem[];
  readonly 'core global': CoreItem[];
  readonly 'core tag': CoreItem[];
  readonly 'core type': CoreDefinition[];
  /** The bytes of a module, or its type: an import of a component that is never instantiated. */
  readonly 'core module': (Uint8Array | ModuleType)[];
  readonly 'core instance': CoreInstanceItem[];
  readonly func: FunctionItem[];
  readonly type: TypeItem[];
  readonly component: ComponentItem[];
  readonly instance: InstanceItem[];
}

/** The index spaces of one component, or of one type with declarations. */
export interface Scope {
  readonly parent: Scope | null;
  /** Number of the component instance; types with declarations have that of the component that declares them. */
  readonly component: number;
  /** Whether it is that of a component, over whose bounds no resource reaches, not of a type. */
  readonly isComponent: boolean;
  readonly spaces: Spaces;
}

/** A definition and the sort of its index space. */
export type Entry = {
  readonly [S in keyof Spaces]: { readonly sort: S; readonly value: Spaces[S][number] };
}[keyof Spaces];

/**
 * A core function that an option of the canonical ABI, a lifted function or a resource names, and the type that it must
 * have.
 */
export interface Signature {
  readonly item: CoreItem;
  readonly type: FuncType;
  readonly what: string;
}

/** A part of a composed component: the number of its component instance and that of its memory. */
export interface Part {
  readonly component: number;
  /** Null: it has no memory, or the only one. */
  readonly memory: number | null;
  /** Whether it has the only memory of the component. */
  readonly hasOnlyMemory: boolean;
}

export interface Graph {
  /** Core instances in the order of instantiation. */
  readonly instances: readonly CoreInstance[];
  /** Those, and the core instances of components that are never instantiated. */
  readonly allInstances: readonly CoreInstance[];
  readonly exports: ReadonlyMap<string, Entry>;
  /** Numbers of the component instances that define the components' own resources, by resource id. */
  readonly definers: ReadonlyMap<string, number>;
  readonly signatures: readonly Signature[];
  readonly coreAliases: readonly CoreExport[];
  /** Core modules that no instance is made of. */
  readonly unusedModules: readonly Uint8Array[];
  /** Names of the root component's imports, in their order in the file. */
  readonly imports: readonly string[];
}
