/** Makes types of values, functions and resources at random. */
import type { Labelled, PrimitiveType, WitType } from '../../../src/guest/component/wit.ts';
import type { FuncType } from '../../../src/protocol/module.ts';
import { leb, vector } from '../../support/component-builder.ts';
import { asType, define, type Making } from './making.ts';
import { keyOf, type Part, type Scope, type TypeItem, type Visible } from './scope.ts';
import { primitives, typeIndex } from './write-types.ts';

const primitiveNames = Object.keys(primitives) as PrimitiveType[]; // its type says so

export const all: Visible = { imported: true, exported: true };
export const none: Visible = { imported: false, exported: false };

function both(parts: readonly Visible[]): Visible {
  return { imported: parts.every((one) => one.imported), exported: parts.every((one) => one.exported) };
}

interface Ref extends Visible {
  readonly part: Part;
  readonly type: WitType;
}

/** Returns a reference to a value type that is there, or a primitive one. */
export function valueRef(
  { random, index }: Making,
  scope: Scope,
  accept: (item: TypeItem) => boolean = () => true,
): Ref {
  const at =
    random(5) < 3
      ? index(scope, 'type', (item) => item.kind === 'value' && accept(item) && size(item.type) < 400)
      : null;
  const item = at === null ? undefined : scope.spaces.type[at];
  if (at !== null) {
    const type = item?.kind === 'value' ? item.type : 'u8';
    return { part: typeIndex(at), type, imported: item?.imported ?? true, exported: item?.exported ?? true };
  }
  // Error contexts are seldom: one instruction set of the reference tools has them in a feature of its own.
  const name = primitiveNames[random(primitiveNames.length - (random(4) === 0 ? 0 : 1))] ?? 'u8';
  return { part: primitives[name], type: name, ...all };
}

function size(type: WitType): number {
  return keyOf(type).length;
}

const labels = ['a', 'b', 'c-d', 'E', 'f1', 'g-h-2', 'i', 'J-k', 'l', 'm'];

function labelled<T>({ random, once }: Making, least: number, make: (name: string) => T): T[] {
  const start = random(labels.length);
  const count = once(60) ? 0 : least + random(3);
  return Array.from({ length: count }, (_, at) => {
    const label = labels[(start + at) % labels.length] ?? 'x';
    return make(once(150) ? 'a--b' : once(150) ? (labels[start] ?? 'a').toUpperCase() : label);
  });
}

export function addValueType(making: Making, scope: Scope) {
  const { random, once } = making;
  const ref = (accept?: (item: TypeItem) => boolean) => valueRef(making, scope, accept);
  const optional = () => (random(3) === 0 ? null : ref());
  const optionalPart = (one: Ref | null): Part => (one === null ? 0 : [1, one.part]);
  const add = (part: Part, type: WitType, visible: Visible): void => {
    define(scope, asType, part);
    scope.push('type', { kind: 'value', type, ...visible });
  };
  const visibleOf = (...refs: readonly (Ref | null)[]) => both(refs.filter((one) => one !== null));
  switch (random(13)) {
    case 0: {
      const fields = labelled(making, 1, (name) => ({ name, ...ref() }));
      const part = vector(fields.map((one) => [one.name, one.part]));
      return add([0x72, part], { kind: 'record', fields: fields.map(({ name, type }) => ({ name, type })) }, none);
    }
    case 1: {
      const cases = labelled(making, 1, (name) => ({ name, ref: optional() }));
      const part = vector(cases.map((one) => [one.name, optionalPart(one.ref), 0]));
      const type = cases.map((one) => ({ name: one.name, type: one.ref?.type ?? null }));
      return add([0x71, part], { kind: 'variant', cases: type }, none);
    }
    case 2: {
      const one = ref();
      return add([0x70, one.part], { kind: 'list', of: one.type, length: null }, one);
    }
    case 3: {
      const one = ref();
      const length = once(20) ? 0 : 1 + random(9);
      return add([0x67, one.part, leb(length)], { kind: 'list', of: one.type, length }, one);
    }
    case 4: {
      const of = Array.from({ length: once(40) ? 0 : 1 + random(3) }, () => ref());
      return add(
        [0x6f, vector(of.map(({ part }) => part))],
        { kind: 'tuple', of: of.map(({ type }) => type) },
        both(of),
      );
    }
    case 5:
    case 6: {
      const kind = random(2) === 0 ? 'flags' : 'enum';
      const names = once(10)
        ? Array.from({ length: 31 + random(3) }, (_, at) => `f${at}`)
        : labelled(making, 1, (name) => name);
      return add([kind === 'flags' ? 0x6e : 0x6d, vector(names)], { kind, labels: names }, none);
    }
    case 7: {
      const one = ref();
      return add([0x6b, one.part], { kind: 'option', of: one.type }, one);
    }
    case 8: {
      const [ok, err] = [optional(), optional()];
      const type: WitType = { kind: 'result', ok: ok?.type ?? null, err: err?.type ?? null };
      return add([0x6a, optionalPart(ok), optionalPart(err)], type, visibleOf(ok, err));
    }
    case 9: {
      const one = random(3) === 0 ? null : ref((item) => !keyOf(item).includes('borrow') || once(20));
      const isStream = random(2) === 0;
      const type: WitType = { kind: isStream ? 'stream' : 'future', of: one?.type ?? null };
      return add([isStream ? 0x66 : 0x65, optionalPart(one)], type, visibleOf(one));
    }
    case 10:
      return add(primitives.u32, 'u32', all);
    default: {
      const at = making.index(scope, 'type', (item) => item.kind === 'resource');
      if (at === null) return;
      addHandle(scope, at, random(3) > 0 ? 'own' : 'borrow');
    }
  }
}

/** Adds a type of handles for the resource type `at`. Returns its index. */
export function addHandle(scope: Scope, at: number, kind: 'own' | 'borrow'): number {
  const item = scope.spaces.type[at];
  define(scope, asType, [kind === 'own' ? 0x69 : 0x68, leb(at)]);
  const id = item?.kind === 'resource' ? item.id : '?';
  const visible = { imported: item?.imported ?? true, exported: item?.exported ?? true };
  return scope.push('type', { kind: 'value', type: { kind, resource: { kind: 'resource', id } }, ...visible });
}

export function addFuncType(making: Making, scope: Scope): void {
  const params = labelled(making, 0, (name) => ({ name, ...valueRef(making, scope) }));
  const result =
    making.random(3) === 0
      ? null
      : valueRef(making, scope, (item) => !keyOf(item).includes('borrow') || making.once(20));
  addFunc(scope, params, result, making.random(3) === 0);
}

export function addFunc(
  scope: Scope,
  params: readonly (Ref & Labelled)[],
  result: Ref | null,
  isAsync: boolean,
): number {
  define(scope, asType, [
    isAsync ? 0x43 : 0x40,
    vector(params.map(({ name, part }) => [name, part])),
    result === null ? [1, 0] : [0, result.part],
  ]);
  const type = {
    params: params.map(({ name, type: of }) => ({ name, type: of })),
    result: result?.type ?? null,
    async: isAsync,
  };
  return scope.push('type', { kind: 'func', type, ...both(result === null ? params : [...params, result]) });
}

export function addResource(making: Making, scope: Scope): void {
  const sig = (item: FuncType) => item.params.join() === 'i32' && item.results.length === 0;
  const destructor = making.random(3) === 0 ? making.index(scope, 'core func', sig) : null;
  define(scope, asType, [0x3f, 0x7f, destructor === null ? 0 : [1, leb(destructor)]]);
  scope.push('type', { kind: 'resource', id: making.unique(), isOwn: true, ...none });
}
