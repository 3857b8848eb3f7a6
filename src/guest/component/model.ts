/** A decoded component: its definitions in order, as plain data. Indices are those of the file. */
import type { CoreDefinition } from './module-type.ts';
import type { PrimitiveType, TextEncoding } from './wit.ts';

export const coreSorts = ['func', 'table', 'memory', 'global', 'tag', 'type', 'module', 'instance'] as const;
export type CoreSort = `core ${(typeof coreSorts)[number]}`;
export type Sort = CoreSort | 'func' | 'type' | 'component' | 'instance';

/**
 * What the file says of a name: the interface that an instance has, and the rest of a version that the name cuts short.
 */
export interface NameAttributes {
  readonly implements: string | null;
  readonly versionSuffix: string | null;
}

/** A name of an import or export. */
export interface ExternName {
  readonly name: string;
  /** Null: none. */
  readonly attributes: NameAttributes | null;
}

/** A primitive type, or the index of a type. */
export type TypeRef = PrimitiveType | number;

export interface LabelledRef {
  readonly name: string;
  readonly type: TypeRef | null;
}

/**
 * A type as its definition writes it. `length` is the number of elements, null for any; `resource` is the index of a
 * type, `destructor` that of a core function (null: there is none).
 */
export type TypeDefinition =
  | { readonly kind: 'primitive'; readonly type: PrimitiveType }
  | { readonly kind: 'record' | 'variant'; readonly members: readonly LabelledRef[] }
  | { readonly kind: 'list'; readonly of: TypeRef; readonly length: number | null }
  | { readonly kind: 'tuple'; readonly of: readonly TypeRef[] }
  | { readonly kind: 'enum' | 'flags'; readonly labels: readonly string[] }
  | { readonly kind: 'option'; readonly of: TypeRef }
  | { readonly kind: 'result'; readonly ok: TypeRef | null; readonly err: TypeRef | null }
  | { readonly kind: 'own' | 'borrow'; readonly resource: number }
  | { readonly kind: 'stream' | 'future'; readonly of: TypeRef | null }
  | {
      readonly kind: 'func';
      readonly params: readonly LabelledRef[];
      readonly result: TypeRef | null;
      readonly async: boolean;
    }
  | { readonly kind: 'resource'; readonly destructor: number | null }
  | { readonly kind: 'instance type' | 'component type'; readonly declarations: readonly Declaration[] };

export type Declaration =
  | { readonly kind: 'core type'; readonly type: CoreDefinition }
  | { readonly kind: 'type'; readonly type: TypeDefinition }
  | Alias
  | (ExternName & { readonly kind: 'import' | 'export'; readonly of: External });

/** Declared type of an import or export. `type` and `equal` are indices of types. */
export type External =
  | { readonly kind: 'core module' | 'func' | 'component' | 'instance'; readonly type: number }
  /** A type: equal to type `equal`, or a new resource (null). */
  | { readonly kind: 'type'; readonly equal: number | null };

/**
 * A name for what an instance exports, or for what an enclosing component defines. `instance` is an index of the space
 * of instances or core instances; `levels` counts components outward, and `index` is of the space of `sort` there.
 */
export type Alias =
  | {
      readonly kind: 'alias';
      readonly sort: Sort;
      readonly of: 'export';
      readonly instance: number;
      readonly name: string;
    }
  | {
      readonly kind: 'alias';
      readonly sort: CoreSort;
      readonly of: 'core export';
      readonly instance: number;
      readonly name: string;
    }
  | {
      readonly kind: 'alias';
      readonly sort: Sort;
      readonly of: 'outer';
      readonly levels: number;
      readonly index: number;
    };

/**
 * Options of a canonical definition. `memory` is the index of a core memory; `realloc`, `postReturn` and `callback` are
 * indices of core functions. Null: the option is absent.
 */
export interface CanonOptions {
  readonly encoding: TextEncoding;
  readonly memory: number | null;
  readonly realloc: number | null;
  readonly postReturn: number | null;
  readonly async: boolean;
  readonly callback: number | null;
}

/**
 * A canonical definition: it makes a function of the component, or a core function. `func`, `type` and `memory` are
 * indices; `slot` is the number of a context slot, from 0.
 */
export type Canon =
  | { readonly op: 'lift'; readonly func: number; readonly type: number; readonly options: CanonOptions }
  | { readonly op: 'lower'; readonly func: number; readonly options: CanonOptions }
  | { readonly op: 'resource.new' | 'resource.drop' | 'resource.rep'; readonly type: number }
  | { readonly op: 'task.return'; readonly result: TypeRef | null; readonly options: CanonOptions }
  | {
      readonly op: StreamOperation;
      readonly type: number;
      readonly options: CanonOptions | null;
      readonly async: boolean;
    }
  | { readonly op: 'context.get' | 'context.set'; readonly slot: number }
  | { readonly op: 'waitable-set.wait' | 'waitable-set.poll'; readonly memory: number }
  | { readonly op: 'error-context.new' | 'error-context.debug-message'; readonly options: CanonOptions }
  | { readonly op: 'subtask.cancel'; readonly async: boolean }
  | { readonly op: PlainOperation };

export type StreamOperation =
  `${'stream' | 'future'}.${'new' | 'read' | 'write' | 'cancel-read' | 'cancel-write' | 'drop-readable' | 'drop-writable'}`;

export type PlainOperation =
  | 'task.cancel'
  | 'subtask.drop'
  | 'backpressure.set'
  | 'backpressure.inc'
  | 'backpressure.dec'
  | 'thread.yield'
  | 'error-context.drop'
  | 'waitable-set.new'
  | 'waitable-set.drop'
  | 'waitable.join';

/** A name for entry `index` of the index space of `sort`. */
export interface Named extends ExternName {
  readonly sort: Sort;
  readonly index: number;
}

/**
 * A definition of a component, in the order of the file. `module`, `component` and `instance` are indices of their
 * spaces.
 */
export type Definition =
  | { readonly kind: 'core module'; readonly bytes: Uint8Array }
  | {
      readonly kind: 'core instance';
      readonly module: number;
      readonly args: readonly { readonly name: string; readonly instance: number }[];
    }
  | { readonly kind: 'core bundle'; readonly exports: readonly Named[] }
  | { readonly kind: 'core type'; readonly type: CoreDefinition }
  | { readonly kind: 'component'; readonly definitions: readonly Definition[] }
  | { readonly kind: 'instance'; readonly component: number; readonly args: readonly Named[] }
  | { readonly kind: 'bundle'; readonly exports: readonly Named[] }
  | { readonly kind: 'type'; readonly type: TypeDefinition }
  | { readonly kind: 'canon'; readonly canon: Canon }
  | (ExternName & { readonly kind: 'import'; readonly of: External })
  | (ExternName & {
      readonly kind: 'export';
      readonly sort: Sort;
      readonly index: number;
      /** The type that the export is said to have; null: that of the definition. */
      readonly as: External | null;
    })
  | Alias;
