/**
 * The types that have a name outside of a component. What a component imports or exports may use a record, variant,
 * enum, flags or resource only if that type is itself imported, or, for exports, exported; other types need no name. An
 * import or export of a type makes a new one with that name, so each is an object of its own here: types are compared
 * by identity.
 *
 * Spec: component-model, Explainer.md "External Visibility of Types".
 */
import type { Entry, InstanceItem, ResourceItem, TypeItem } from './graph.ts';
import type { FunctionType, WitType } from './wit.ts';

/** Returns the exports of an instance of a type. */
export type ExportsOf = (type: TypeItem) => InstanceItem['exports'];

/**
 * Returns a type that is equal to `item` and another object, so that it can have a name of its own. Returns `item`
 * itself if it is a primitive value type, or a type of functions, instances or components: those need no name.
 */
export function renamed(item: TypeItem): TypeItem {
  if (item.kind === 'resource') return { ...item, resource: { ...item.resource } };
  if (item.kind === 'value' && typeof item.type === 'object') return { ...item, type: { ...item.type } };
  return item;
}

export class NamedTypes {
  readonly #imported = new Set<object>();
  readonly #exported = new Set<object>();
  /** Ids of the resources that imports have brought, and of those that exports have. */
  readonly #importedIds = new Set<string>();
  readonly #ownIds = new Set<string>();
  readonly #exportsOf: ExportsOf;

  constructor(exportsOf: ExportsOf) {
    this.#exportsOf = exportsOf;
  }

  /** Adds the types of an import or export. Returns whether all types that it uses have names. */
  add(what: 'import' | 'export', entry: Entry): boolean {
    if (entry.sort === 'func') return this.#areNamed(what, entry.value.type);
    if (entry.sort === 'instance') return [...entry.value.exports.values()].every((one) => this.add(what, one));
    if (entry.sort !== 'type') return true;
    if (!this.#mayBeNamed(what, entry.value)) return false;
    const identity = identityOf(entry.value);
    if (identity === null) return true;
    if (entry.value.kind === 'resource') this.#noteOwner(what, entry.value.resource.id);
    if (what === 'import') this.#imported.add(identity);
    this.#exported.add(identity);
    return true;
  }

  #noteOwner(what: 'import' | 'export', id: string): void {
    if (what === 'import') this.#importedIds.add(id);
    else if (!this.#importedIds.has(id)) this.#ownIds.add(id);
  }

  /**
   * Returns whether an import may name `item`: outside, nobody knows the resources that the component itself brings.
   */
  #isFromOutside({ component, resource }: ResourceItem): boolean {
    return component === null && !this.#ownIds.has(resource.id);
  }

  #mayBeNamed(what: 'import' | 'export', item: TypeItem): boolean {
    switch (item.kind) {
      case 'value':
        return typeof item.type === 'string' || this.#partsAreNamed(what, item.type);
      case 'func':
        return this.#areNamed(what, item.type);
      case 'instance type':
        return this.#instanceIsNamed(what, this.#exportsOf(item));
      case 'resource':
        return what === 'export' || this.#isFromOutside(item);
      default:
        return true;
    }
  }

  #instanceIsNamed(what: 'import' | 'export', exports: InstanceItem['exports']): boolean {
    return [...exports.values()].every((entry) => {
      if (entry.sort === 'func') return this.#areNamed(what, entry.value.type);
      if (entry.sort === 'type') return this.#mayBeNamed(what, entry.value);
      return entry.sort !== 'instance' || this.#instanceIsNamed(what, entry.value.exports);
    });
  }

  #areNamed(what: 'import' | 'export', { params, result }: FunctionType): boolean {
    return params.every(({ type }) => this.#isNamed(what, type)) && this.#isNamed(what, result);
  }

  #isNamed(what: 'import' | 'export', type: WitType | null): boolean {
    if (type === null || typeof type === 'string') return true;
    const isNominal =
      type.kind === 'record' || type.kind === 'variant' || type.kind === 'enum' || type.kind === 'flags';
    return isNominal ? this.#has(what, type) : this.#partsAreNamed(what, type);
  }

  #partsAreNamed(what: 'import' | 'export', type: Exclude<WitType, string>): boolean {
    switch (type.kind) {
      case 'record':
        return type.fields.every((field) => this.#isNamed(what, field.type));
      case 'variant':
        return type.cases.every((one) => this.#isNamed(what, one.type));
      case 'tuple':
        return type.of.every((one) => this.#isNamed(what, one));
      case 'result':
        return this.#isNamed(what, type.ok) && this.#isNamed(what, type.err);
      case 'own':
      case 'borrow':
        return this.#has(what, type.resource);
      case 'enum':
      case 'flags':
        return true;
      default:
        return this.#isNamed(what, type.of);
    }
  }

  #has(what: 'import' | 'export', type: object): boolean {
    return (what === 'import' ? this.#imported : this.#exported).has(type);
  }
}

function identityOf(item: TypeItem): object | null {
  if (item.kind === 'resource') return item.resource;
  return item.kind === 'value' && typeof item.type === 'object' ? item.type : null;
}
