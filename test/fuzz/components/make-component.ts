/**
 * Makes components at random, the same one for the same seed: types, imports, exports, nested components, resources,
 * instances, aliases, canonical functions. Most definitions are valid where they stand; some are not, by chance.
 * Whether a component is valid is for the reference tools to say (record-verdicts.ts).
 */
import { leb, section, vector } from '../../support/component-builder.ts';
import { randomOf } from '../../support/random.ts';
import { addCanon, addCore } from './make-canons.ts';
import { addDescription } from './make-descriptions.ts';
import { addFunc, addFuncType, addHandle, addResource, addValueType, all, none } from './make-types.ts';
import { asAlias, asExport, asImport, asType, define, type Making } from './making.ts';
import {
  type Entry,
  keyOf,
  type Named,
  type OuterSort,
  type Part,
  Scope,
  sortBytes,
  type TypeItem,
  type Visible,
  withResources,
} from './scope.ts';
import { typeIndex } from './write-types.ts';

/** Returns the component of a seed. */
export function makeComponent(seed: number): Uint8Array {
  const random = randomOf(seed);
  let count = 0;
  const making: Making = {
    random,
    once: (times) => random(times) === 0,
    pick: (items) => items[random(items.length)],
    index: (scope, sort, accept = () => true) => {
      const space = scope.spaces[sort];
      if (random(60) === 0) return random(space.length + 1);
      // An index of the space.
      const indices = [...space.keys()].filter((index) => accept(space[index] as never));
      // Newer items more often: they are what the last definitions were made for.
      return indices.length === 0 ? null : (indices[Math.max(random(indices.length), random(indices.length))] ?? null);
    },
    unique: () => String(count++),
  };
  const scope = new Scope('component', null);
  fill(making, scope);
  // A changed byte outside of core modules, whose code the reference tools check in a step of their own.
  const part =
    random(12) === 0
      ? making.pick(scope.parts.filter((one) => one instanceof Uint8Array && one[0] !== 1 && one[0] !== 4))
      : null;
  if (part instanceof Uint8Array) {
    const at = random(part.length);
    part[at] = random(2) === 0 ? random(32) : (part[at] ?? 0) ^ (1 << random(8));
  }
  return Scope.component(scope.parts);
}

type Step = (making: Making, scope: Scope) => void;

const everywhere: readonly Step[] = [
  addValueType,
  addValueType,
  addValueType,
  addFuncType,
  addFuncType,
  addFuncType,
  addInstanceType,
  addComponentType,
  addExport,
  addExport,
  addExport,
  addTypeName,
  addTypeName,
  aliasOuter,
  aliasExport,
];
const inComponents: readonly Step[] = [
  ...everywhere,
  addImport,
  addImport,
  addImport,
  addResource,
  addNested,
  addNested,
  instantiate,
  instantiate,
  addBundle,
  addDescription,
  addDescription,
  aliasExport,
  addMethod,
  addCore,
  addCore,
  addCanon,
  addCanon,
  addCanon,
];
const inComponentTypes: readonly Step[] = [...everywhere, addImport, addImport, addImport, addMethod];

export function fill(making: Making, scope: Scope): void {
  const steps =
    scope.kind === 'component' ? inComponents : scope.kind === 'component type' ? inComponentTypes : everywhere;
  const count = 2 + making.random(scope.kind === 'component' ? 16 - 3 * Math.min(4, scope.depth) : 5);
  for (let left = count; left > 0; left -= 1) making.pick(steps)?.(making, scope);
}

function addInstanceType(making: Making, scope: Scope): void {
  if (scope.depth > 3) return;
  const inner = new Scope('instance type', scope);
  fill(making, inner);
  define(scope, asType, [0x42, vector(inner.parts)]);
  scope.push('type', { kind: 'instance', exports: inner.exports, ...all });
}

function addComponentType(making: Making, scope: Scope): void {
  if (scope.depth > 3 || making.random(2) === 0) return;
  const inner = new Scope('component type', scope);
  fill(making, inner);
  define(scope, asType, [0x41, vector(inner.parts)]);
  scope.push('type', { kind: 'component', imports: inner.imports, exports: inner.exports, ...all });
}

/** Returns a name for an import or export, seldom one that is there, or is none. */
function nameFor(making: Making, scope: Scope, sort: OuterSort): string {
  if (making.once(60)) return making.pick(['n1', 'N1', 'n2', 'a:b/c', 'no Name', '[static]n1.n2']) ?? 'n1';
  if (sort === 'instance' && making.once(3)) return `a:b/${scope.freshName()}${making.once(2) ? '@0.2.1' : ''}`;
  return scope.freshName();
}

function addEntry(scope: Scope, how: 'import' | 'export', name: string, entry: Entry): void {
  scope.push(entry.sort, entry.item);
  (how === 'import' ? scope.imports : scope.exports).set(name, entry);
}

/** Returns the entry of the type `item` of an import, or of an export of a type with declarations. */
function declaredEntry(making: Making, item: TypeItem | undefined): Entry | null {
  switch (item?.kind) {
    case 'func':
      return { sort: 'func', item: { type: item.type, imported: true, exported: true } };
    case 'instance':
      return { sort: 'instance', item: { exports: renewed(making, item.exports) } };
    case 'component':
      return { sort: 'component', item: { imports: item.imports, exports: item.exports } };
    default:
      return null;
  }
}

/** Returns exports whose resources are others than those of `exports`. */
function renewed(making: Making, exports: Named): Named {
  const ids = new Map<string, string>();
  const find = (entries: Named): void => {
    for (const entry of entries.values()) {
      if (entry.sort === 'type' && entry.item.kind === 'resource' && entry.item.isOwn)
        ids.set(entry.item.id, making.unique());
      if (entry.sort === 'instance') find(entry.item.exports);
    }
  };
  find(exports);
  return withResources(exports, ids);
}

const declarable = ['func', 'func', 'func', 'instance', 'instance', 'component'] as const;

function addDeclared(making: Making, scope: Scope, how: 'import' | 'export') {
  const wanted = making.pick(declarable) ?? 'func';
  // The platform provides no components, whatever their types: such an import of the root says nothing.
  if (wanted === 'component' && scope.parent === null) return;
  const isNamed = (item: Visible) => (how === 'import' ? item.imported : item.exported) || making.once(15);
  const at = making.index(scope, 'type', (item) => item.kind === wanted && isNamed(item));
  if (at === null) return;
  const entry = declaredEntry(making, scope.spaces.type[at]);
  if (entry === null) return;
  const name = nameFor(making, scope, entry.sort);
  define(scope, how === 'import' ? asImport : asExport, [0, name, sortBytes[entry.sort], leb(at)]);
  addEntry(scope, how, name, entry);
}

function addImport(making: Making, scope: Scope): void {
  addDeclared(making, scope, 'import');
}

/** Gives a type a name: an import or export that is a new resource, or equal to a type that is there. */
function addTypeName(making: Making, scope: Scope): void {
  const how = scope.kind !== 'instance type' && making.random(2) === 0 ? 'import' : 'export';
  nameType(making, scope, how, null);
}

function nameType(making: Making, scope: Scope, how: 'import' | 'export', wanted: number | null) {
  const form = how === 'import' ? asImport : asExport;
  const name = nameFor(making, scope, 'type');
  const visible: Visible = { imported: how === 'import', exported: true };
  // A component exports definitions; types with declarations, and imports, say how a type is bounded.
  const isBounded = how === 'import' || scope.kind !== 'component';
  if (wanted === null && isBounded && making.random(3) === 0) {
    define(scope, form, [0, name, 3, 1]);
    const item = { kind: 'resource', id: making.unique(), isOwn: true, ...visible } as const;
    return addEntry(scope, how, name, { sort: 'type', item });
  }
  const at =
    wanted ?? making.index(scope, 'type', ({ kind }) => kind === 'value' || kind === 'resource' || making.once(9));
  const item = at === null ? undefined : scope.spaces.type[at];
  if (at === null || item === undefined) return;
  if (isBounded) define(scope, form, [0, name, 3, 0, leb(at)]);
  else define(scope, form, [0, name, 3, leb(at), making.once(8) ? [1, 3, 0, leb(at)] : 0]);
  const isPlain = item.kind === 'value' && typeof item.type === 'string';
  const named = item.kind === 'resource' ? { ...item, isOwn: false } : item;
  addEntry(scope, how, name, { sort: 'type', item: { ...named, ...(isPlain ? all : visible) } });
}

function addExport(making: Making, scope: Scope) {
  if (scope.kind !== 'component') return addDeclared(making, scope, 'export');
  const sort = making.pick(['func', 'func', 'instance', 'component', 'type'] as const) ?? 'func';
  if (sort === 'type') return nameType(making, scope, 'export', null);
  const at = making.index(scope, sort);
  const item = at === null ? undefined : scope.spaces[sort][at];
  if (at === null || item === undefined) return;
  const entry = { sort, item } as Entry; // the item is of that space
  const ascribed = making.random(4) === 0 ? ascription(making, scope, entry) : null;
  const name = nameFor(making, scope, sort);
  define(scope, asExport, [
    [0, name, sortBytes[sort], leb(at)],
    ascribed === null ? 0 : [1, sortBytes[sort], leb(ascribed.index)],
  ]);
  addEntry(scope, 'export', name, ascribed?.entry ?? entry);
}

/** Returns a type of the sort of `entry`, one with the same parts where there is one. */
function ascription(
  making: Making,
  scope: Scope,
  entry: Entry,
): { readonly index: number; readonly entry: Entry } | null {
  const fits = (item: TypeItem): boolean => {
    if (item.kind !== entry.sort) return false;
    if (making.once(6)) return true;
    if (entry.sort === 'func') return item.kind === 'func' && keyOf(item.type) === keyOf(entry.item.type);
    if (entry.sort !== 'instance' || item.kind !== 'instance') return false;
    return [...item.exports].every(([name, one]) => keyOf(entry.item.exports.get(name)) === keyOf(one));
  };
  const index = making.index(scope, 'type', fits);
  const declared = index === null ? null : declaredEntry(making, scope.spaces.type[index]);
  return index === null || declared?.sort !== entry.sort ? null : { index, entry: declared };
}

function addMethod(making: Making, scope: Scope) {
  const how = making.random(2) === 0 ? 'import' : 'export';
  const named = [...(how === 'import' ? scope.imports : scope.exports)].filter(([, { item }]) => 'id' in item);
  const [label, entry] = making.pick(named) ?? [];
  if (label === undefined || entry?.sort !== 'type') return;
  const at = scope.spaces.type.indexOf(entry.item);
  if (at < 0) return;
  const form = making.pick(['[method]', '[static]', '[constructor]'] as const);
  const handle = addHandle(scope, at, (form === '[method]') !== making.once(12) ? 'borrow' : 'own');
  const { type } = scope.spaces.type[handle] as Extract<TypeItem, { readonly kind: 'value' }>;
  const ref = { part: typeIndex(handle), type, imported: true, exported: true };
  const self = { name: making.once(15) ? 'me' : 'self', ...ref };
  const func = addFunc(scope, form === '[method]' ? [self] : [], form === '[constructor]' ? ref : null, making.once(4));
  const name = `${form}${label}${form === '[constructor]' ? '' : `.${making.once(20) ? label : scope.freshName()}`}`;
  const item = scope.spaces.type[func];
  if (item?.kind !== 'func') return;
  const made: Entry = { sort: 'func', item };
  if (how === 'import' || scope.kind !== 'component') {
    define(scope, how === 'import' ? asImport : asExport, [0, name, 1, leb(func)]);
    return addEntry(scope, how, name, made);
  }
  const lifted = making.index(scope, 'func', (one) => keyOf(one.type) === keyOf(item.type));
  if (lifted === null) return;
  define(scope, asExport, [0, name, 1, leb(lifted), 0]);
  addEntry(scope, how, name, made);
}

function addNested(making: Making, scope: Scope): void {
  if (scope.depth > 2) return;
  const inner = new Scope('component', scope);
  fill(making, inner);
  scope.parts.push(section(4, Scope.component(inner.parts)));
  scope.push('component', { imports: inner.imports, exports: inner.exports });
}

function instantiate(making: Making, scope: Scope): void {
  const at = making.index(scope, 'component');
  const made = at === null ? undefined : scope.spaces.component[at];
  if (at === null || made === undefined) return;
  const ids = new Map<string, string>();
  const args: Part[] = [];
  for (const [name, entry] of made.imports) {
    if (making.once(60)) continue;
    const wanted = keyOf(withResources(entry.item, ids));
    const fits = (item: unknown): boolean => {
      if (entry.sort === 'type' && entry.item.kind === 'resource' && entry.item.isOwn)
        return (item as TypeItem).kind === 'resource';
      return (
        keyOf(item).replace(/"(imported|exported|isOwn)":\w+,?/g, '') ===
        wanted.replace(/"(imported|exported|isOwn)":\w+,?/g, '')
      );
    };
    const index = making.index(scope, entry.sort, fits) ?? making.index(scope, entry.sort);
    if (index === null) return;
    const item = scope.spaces[entry.sort][index];
    if (entry.sort === 'type' && entry.item.kind === 'resource' && item !== undefined && 'id' in item)
      ids.set(entry.item.id, item.id);
    args.push([name, sortBytes[entry.sort], leb(index)]);
  }
  scope.parts.push(section(5, vector([[0, leb(at), vector(args)]])));
  scope.push('instance', { exports: withResources(renewed(making, made.exports), ids) });
}

function addBundle(making: Making, scope: Scope): void {
  const exports = new Map<string, Entry>();
  const parts: Part[] = [];
  for (let left = making.random(4); left > 0; left -= 1) {
    const sort = making.pick(['func', 'func', 'type', 'instance', 'component'] as const) ?? 'func';
    const at = making.index(scope, sort);
    const item = at === null ? undefined : scope.spaces[sort][at];
    if (at === null || item === undefined) continue;
    const name = making.once(40) ? 'b1' : `b${exports.size + 1}`;
    exports.set(name, { sort, item } as Entry); // the item is of that space
    parts.push([0, name, sortBytes[sort], leb(at)]);
  }
  scope.parts.push(section(5, vector([[1, vector(parts)]])));
  scope.push('instance', { exports });
}

function aliasExport(making: Making, scope: Scope): void {
  const at = making.index(scope, 'instance', ({ exports }) => exports.size > 0);
  const found = making.pick([...((at === null ? undefined : scope.spaces.instance[at])?.exports ?? [])]);
  if (at === null || found === undefined) return;
  const [name, { sort, item }] = found;
  if (scope.kind !== 'component' && sort !== 'type' && sort !== 'instance' && !making.once(10)) return;
  define(scope, asAlias, [sortBytes[making.once(80) ? 'func' : sort], 0, leb(at), name]);
  const visible = scope.kind !== 'component' && 'imported' in item ? { ...item, imported: false } : item;
  scope.push(sort, visible as never); // of the sort of the export
}

function aliasOuter(making: Making, scope: Scope) {
  const levels = making.once(12) ? 0 : making.once(30) ? scope.depth + 1 : 1 + making.random(Math.max(1, scope.depth));
  let from: Scope | null = scope;
  let crosses = false;
  for (let level = 0; level < levels && from !== null; level += 1) {
    crosses ||= from.kind === 'component';
    from = from.parent;
  }
  if (from === null || (levels === 0 && scope.parent === null)) return;
  const sort = making.random(4) === 0 && scope.kind === 'component' ? 'component' : 'type';
  const hasResources = (item: unknown) => /"id":|instance|component/.test(keyOf(item));
  const at = making.index(from, sort, (item) => !crosses || !hasResources(item) || making.once(15));
  const item = at === null ? undefined : from.spaces[sort][at];
  if (at === null || item === undefined) return;
  define(scope, asAlias, [sortBytes[sort], 2, leb(levels), leb(at)]);
  // Of that sort.
  scope.push(sort, (crosses && 'imported' in item && 'type' in item ? { ...item, ...none } : item) as never);
}
