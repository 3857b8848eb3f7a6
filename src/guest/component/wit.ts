/**
 * The types of component interfaces (WIT) as plain data, for decoded components and for host functions. sameFunction
 * compares both, so a host function states the type of the specification, word for word.
 *
 * Spec: component-model, Explainer.md "Type Definitions".
 */

export const primitiveTypes = [
  'bool',
  's8',
  'u8',
  's16',
  'u16',
  's32',
  'u32',
  's64',
  'u64',
  'f32',
  'f64',
  'char',
  'string',
  'error-context',
] as const;
export type PrimitiveType = (typeof primitiveTypes)[number];

/**
 * A resource type. Two resource types are the same if and only if their ids are equal. The id of a host resource is
 * `wasi:io/streams@0.2#input-stream`; that of a resource that a component defines is a name unique in the component.
 */
export interface ResourceType {
  readonly kind: 'resource';
  readonly id: string;
}

export type WitType =
  | PrimitiveType
  /** `length`: number of elements; null: any. */
  | { readonly kind: 'list'; readonly of: WitType; readonly length: number | null }
  | { readonly kind: 'record'; readonly fields: readonly Labelled[] }
  | { readonly kind: 'tuple'; readonly of: readonly WitType[] }
  | { readonly kind: 'variant'; readonly cases: readonly Case[] }
  | { readonly kind: 'enum'; readonly labels: readonly string[] }
  | { readonly kind: 'flags'; readonly labels: readonly string[] }
  | { readonly kind: 'option'; readonly of: WitType }
  | { readonly kind: 'result'; readonly ok: WitType | null; readonly err: WitType | null }
  | { readonly kind: 'own' | 'borrow'; readonly resource: ResourceType }
  | { readonly kind: 'stream' | 'future'; readonly of: WitType | null };

export interface Labelled {
  readonly name: string;
  readonly type: WitType;
}

export interface Case {
  readonly name: string;
  readonly type: WitType | null;
}

export interface FunctionType {
  readonly params: readonly Labelled[];
  readonly result: WitType | null;
  /** Whether the function is declared `async func`: its caller may run on before it returns. */
  readonly async: boolean;
}

/** Encodings of strings in the memory of a component, by the numbers of the binary format. */
export const textEncodings = ['utf8', 'utf16', 'latin1+utf16'] as const;
export type TextEncoding = (typeof textEncodings)[number];

/** Returns the resource `name` of `interfaceName` (`wasi:io/streams@0.2`), provided by the host. */
export function hostResource(interfaceName: string, name: string): ResourceType {
  return { kind: 'resource', id: `${interfaceName}#${name}` };
}

export function list(of: WitType): WitType {
  return { kind: 'list', of, length: null };
}

export function record(fields: Readonly<Record<string, WitType>>): WitType {
  return { kind: 'record', fields: Object.entries(fields).map(([name, type]) => ({ name, type })) };
}

export function tuple(...of: readonly WitType[]): WitType {
  return { kind: 'tuple', of };
}

/** Returns a variant; a case without payload has null. */
export function variant(cases: Readonly<Record<string, WitType | null>>): WitType {
  return { kind: 'variant', cases: Object.entries(cases).map(([name, type]) => ({ name, type })) };
}

export function enumeration(...labels: readonly string[]): WitType {
  return { kind: 'enum', labels };
}

export function flags(...labels: readonly string[]): WitType {
  return { kind: 'flags', labels };
}

export function option(of: WitType): WitType {
  return { kind: 'option', of };
}

/** Returns a result; null stands for `_`. */
export function result(ok: WitType | null, err: WitType | null): WitType {
  return { kind: 'result', ok, err };
}

export function own(resource: ResourceType): WitType {
  return { kind: 'own', resource };
}

export function borrow(resource: ResourceType): WitType {
  return { kind: 'borrow', resource };
}

export function stream(of: WitType | null): WitType {
  return { kind: 'stream', of };
}

export function future(of: WitType | null): WitType {
  return { kind: 'future', of };
}

export function func(params: Readonly<Record<string, WitType>>, result: WitType | null = null): FunctionType {
  return { params: Object.entries(params).map(([name, type]) => ({ name, type })), result, async: false };
}

export function asyncFunc(params: Readonly<Record<string, WitType>>, result: WitType | null = null): FunctionType {
  return { ...func(params, result), async: true };
}

/**
 * Returns whether two types are equal: same structure, same labels, same resources. Takes time in proportion to the
 * smaller type written out as a tree.
 */
export function sameWitType(left: WitType | null, right: WitType | null): boolean {
  if (left === right) return true;
  if (left === null || right === null || typeof left === 'string' || typeof right === 'string') return false;
  if (left.kind === 'list') return right.kind === 'list' && left.length === right.length && same(left, right);
  if (left.kind === 'option') return right.kind === 'option' && same(left, right);
  if (left.kind === 'stream' || left.kind === 'future')
    return right.kind === left.kind && sameWitType(left.of, right.of);
  if (left.kind === 'own' || left.kind === 'borrow')
    return (
      (right.kind === 'own' || right.kind === 'borrow') &&
      right.kind === left.kind &&
      left.resource.id === right.resource.id
    );
  if (left.kind === 'record') return right.kind === 'record' && sameCases(left.fields, right.fields);
  if (left.kind === 'variant') return right.kind === 'variant' && sameCases(left.cases, right.cases);
  if (left.kind === 'result')
    return right.kind === 'result' && sameWitType(left.ok, right.ok) && sameWitType(left.err, right.err);
  if (left.kind === 'tuple')
    return (
      right.kind === 'tuple' &&
      left.of.length === right.of.length &&
      left.of.every((type, index) => sameWitType(type, right.of[index] ?? null))
    );
  return (
    (right.kind === 'enum' || right.kind === 'flags') &&
    right.kind === left.kind &&
    left.labels.length === right.labels.length &&
    left.labels.every((label, index) => label === right.labels[index])
  );
}

function same(left: { readonly of: WitType }, right: { readonly of: WitType }): boolean {
  return sameWitType(left.of, right.of);
}

function sameCases(left: readonly Case[], right: readonly Case[]): boolean {
  return (
    left.length === right.length &&
    left.every(({ name, type }, index) => name === right[index]?.name && sameWitType(type, right[index].type))
  );
}

export function sameFunction(left: FunctionType, right: FunctionType): boolean {
  return left.async === right.async && sameCases(left.params, right.params) && sameWitType(left.result, right.result);
}

/** Returns the type in WIT's syntax, with structural types written out. */
export function formatWit(type: WitType): string {
  if (typeof type === 'string') return type;
  switch (type.kind) {
    case 'list':
      return type.length === null ? `list<${formatWit(type.of)}>` : `list<${formatWit(type.of)}, ${type.length}>`;
    case 'option':
      return `option<${formatWit(type.of)}>`;
    case 'stream':
    case 'future':
      return type.of === null ? type.kind : `${type.kind}<${formatWit(type.of)}>`;
    case 'own':
    case 'borrow':
      return `${type.kind}<${type.resource.id.replace(/^.*#/, '')}>`;
    case 'tuple':
      return `tuple<${type.of.map(formatWit).join(', ')}>`;
    case 'record':
      return `record { ${type.fields.map(({ name, type: field }) => `${name}: ${formatWit(field)}`).join(', ')} }`;
    case 'variant':
      return `variant { ${type.cases.map(({ name, type: of }) => (of === null ? name : `${name}(${formatWit(of)})`)).join(', ')} }`;
    case 'enum':
    case 'flags':
      return `${type.kind} { ${type.labels.join(', ')} }`;
    case 'result': {
      const { ok, err } = type;
      if (err === null) return ok === null ? 'result' : `result<${formatWit(ok)}>`;
      return `result<${ok === null ? '_' : formatWit(ok)}, ${formatWit(err)}>`;
    }
  }
}

export function formatFunction({ params, result: returned, async }: FunctionType): string {
  const list = params.map(({ name, type }) => `${name}: ${formatWit(type)}`).join(', ');
  return `${async ? 'async ' : ''}func(${list})${returned === null ? '' : ` -> ${formatWit(returned)}`}`;
}
