/** Makes types of components and instances that are there, seldom with a difference, and uses them as bounds. */
import type { FunctionType, PrimitiveType, WitType } from '../../../src/guest/component/wit.ts';
import { leb, section, vector } from '../../support/component-builder.ts';
import type { Making } from './making.ts';
import { keyOf, type Named, type Part, Scope, sortBytes } from './scope.ts';
import { primitives, typeIndex } from './write-types.ts';

/** Writes the declarations of one type. */
class Describer {
  readonly parts: Part[] = [];
  readonly #making: Making;
  /** Indices of the types with names, by their keys, and of resources by their ids. */
  readonly #known = new Map<string, number>();
  #types = 0;

  constructor(making: Making) {
    this.#making = making;
  }

  describe(entries: Named, how: 'import' | 'export'): void {
    const form = how === 'import' ? 3 : 4;
    for (const [name, entry] of entries) {
      if (this.#making.once(30)) continue;
      if (entry.sort === 'type') {
        const { item } = entry;
        if (item.kind === 'resource') {
          const known = this.#known.get(item.id);
          this.parts.push([form, 0, name, 3, known === undefined || this.#making.once(30) ? 1 : [0, leb(known)]]);
          this.#known.set(item.id, this.#types);
        } else if (item.kind === 'value') {
          const at = this.#value(item.type, true);
          this.parts.push([form, 0, name, 3, 0, leb(at)]);
          this.#known.set(keyOf(item.type), this.#types);
        } else continue;
        this.#types += 1;
      } else if (entry.sort === 'func') {
        const at = this.#func(entry.item.type);
        this.parts.push([form, 0, name, 1, leb(at)]);
      } else if (entry.sort === 'instance') {
        const inner = new Describer(this.#making);
        inner.describe(entry.item.exports, 'export');
        this.#add([0x42, vector(inner.parts)]);
        this.parts.push([form, 0, name, 5, leb(this.#types - 1)]);
      } else {
        const inner = new Describer(this.#making);
        inner.describe(entry.item.imports, 'import');
        inner.describe(entry.item.exports, 'export');
        this.#add([0x41, vector(inner.parts)]);
        this.parts.push([form, 0, name, 4, leb(this.#types - 1)]);
      }
    }
  }

  #add(type: Part): number {
    this.parts.push([1, type]);
    this.#types += 1;
    return this.#types - 1;
  }

  #func({ params, result, async }: FunctionType): number {
    const written = params.map(({ name, type }): Part => [name, this.#ref(type)]);
    const returned: Part = result === null ? [1, 0] : [0, this.#ref(result)];
    return this.#add([async !== this.#making.once(60) ? 0x43 : 0x40, vector(written), returned]);
  }

  #ref(type: WitType): Part {
    if (typeof type === 'string') return this.#making.once(80) ? primitives.u8 : primitives[type as PrimitiveType];
    return typeIndex(this.#value(type, false));
  }

  /** Returns the index of a type that is equal to `type`; `isNew`: of one that has no name. */
  #value(type: WitType, isNew: boolean): number {
    const known = isNew ? undefined : this.#known.get(keyOf(type));
    if (known !== undefined) return known;
    if (typeof type === 'string') return this.#add(primitives[type]);
    const optional = (one: WitType | null): Part => (one === null ? 0 : [1, this.#ref(one)]);
    switch (type.kind) {
      case 'record': {
        const fields = type.fields.map(({ name, type: of }): Part => [name, this.#ref(of)]);
        return this.#add([0x72, vector(fields)]);
      }
      case 'variant': {
        const cases = type.cases.map(({ name, type: of }): Part => [name, optional(of), 0]);
        return this.#add([0x71, vector(cases)]);
      }
      case 'list':
        return type.length === null
          ? this.#add([0x70, this.#ref(type.of)])
          : this.#add([0x67, this.#ref(type.of), leb(type.length)]);
      case 'tuple':
        return this.#add([0x6f, vector(type.of.map((one) => this.#ref(one)))]);
      case 'enum':
      case 'flags':
        return this.#add([type.kind === 'flags' ? 0x6e : 0x6d, vector([...type.labels])]);
      case 'option':
        return this.#add([0x6b, this.#ref(type.of)]);
      case 'result':
        return this.#add([0x6a, optional(type.ok), optional(type.err)]);
      case 'own':
      case 'borrow':
        return this.#add([type.kind === 'own' ? 0x69 : 0x68, leb(this.#known.get(type.resource.id) ?? this.#types)]);
      case 'stream':
      case 'future':
        return this.#add([type.kind === 'stream' ? 0x66 : 0x65, optional(type.of)]);
    }
  }
}

/** Adds the type of a component or an instance that is there, and something that is bounded by it. */
export function addDescription(making: Making, scope: Scope): void {
  const describer = new Describer(making);
  const all = { imported: true, exported: true };
  if (making.random(2) === 0) {
    const at = making.index(scope, 'component');
    const item = at === null ? undefined : scope.spaces.component[at];
    if (at === null || item === undefined) return;
    describer.describe(item.imports, 'import');
    describer.describe(item.exports, 'export');
    scope.parts.push(section(7, vector([[0x41, vector(describer.parts)]])));
    const type = scope.push('type', { kind: 'component', ...item, ...all });
    if (making.random(3) > 0) giveTo(scope, 'component', { at, type });
    else {
      exportAs(scope, 'component', { at, type });
      scope.push('component', item);
    }
    return;
  }
  const at = making.index(scope, 'instance');
  const item = at === null ? undefined : scope.spaces.instance[at];
  if (at === null || item === undefined) return;
  describer.describe(item.exports, 'export');
  scope.parts.push(section(7, vector([[0x42, vector(describer.parts)]])));
  const type = scope.push('type', { kind: 'instance', ...item, ...all });
  if (making.random(3) > 0) giveTo(scope, 'instance', { at, type });
  else {
    exportAs(scope, 'instance', { at, type });
    scope.push('instance', item);
  }
}

/** Indices of an item and of a type that it is bounded by. */
interface Bounded {
  readonly at: number;
  readonly type: number;
}

function exportAs(scope: Scope, sort: 'component' | 'instance', { at, type }: Bounded): void {
  const exported = [0, scope.freshName(), sortBytes[sort], leb(at), 1, sortBytes[sort], leb(type)];
  scope.parts.push(section(11, vector([exported])));
}

/** Adds a component that imports something of the type, and an instance of it, which is given the item. */
function giveTo(scope: Scope, sort: 'component' | 'instance', { at, type }: Bounded): void {
  const taker = [section(6, vector([[3, 2, 1, leb(type)]])), section(10, vector([[0, 'given', sortBytes[sort], 0]]))];
  scope.parts.push(section(4, Scope.component(taker)));
  const component = scope.push('component', { imports: new Map(), exports: new Map() });
  scope.parts.push(section(5, vector([[0, leb(component), vector([['given', sortBytes[sort], leb(at)]])]])));
  scope.push('instance', { exports: new Map() });
}
