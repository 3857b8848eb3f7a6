/** Writes type definitions, which refer to each other by index, out as trees. */
import { componentCaps } from './caps.ts';
import { labelProblem } from './extern-name.ts';
import type { ResourceItem, Scope, TypeItem } from './graph.ts';
import type { LabelledRef, TypeDefinition, TypeRef } from './model.ts';
import { invalidComponent, tooLargeComponent } from './refusals.ts';
import { hasBorrows } from './type-contents.ts';
import type { Case, FunctionType, Labelled, WitType } from './wit.ts';

/** A type, measured as TypeItem says: number of its parts, and of its levels. */
interface Sized {
  readonly type: WitType;
  readonly parts: number;
  readonly depth: number;
  readonly hasHandles: boolean;
}

/** A definition that is neither a resource nor a list of declarations. */
export type ValueOrFunction = Exclude<
  TypeDefinition,
  { readonly kind: 'resource' | 'instance type' | 'component type' }
>;

export class TypeResolver {
  readonly #scope: Scope;
  readonly #subject: string;
  /** Numbers of parts so far, and of levels around the present part. */
  #parts = 0;
  #depth = 0;
  #hasHandles = false;

  constructor(scope: Scope, subject: string) {
    this.#scope = scope;
    this.#subject = subject;
  }

  /**
   * Returns the type of `definition`. Throws `module_invalid` for a reference to no type, `module_too_large` beyond
   * typeParts or typeDepth.
   */
  resolve(definition: ValueOrFunction): TypeItem {
    this.#parts = 1;
    this.#depth = 0;
    this.#hasHandles = false;
    if (definition.kind === 'func') {
      const type: FunctionType = {
        params: this.#labelled(definition.params),
        result: definition.result === null ? null : this.#ref(definition.result),
        async: definition.async,
      };
      this.#check();
      if (type.result !== null && hasBorrows(type.result))
        throw invalidComponent(this.#subject, 'a function that returns a borrowed resource');
      return { kind: 'func', type, hasHandles: this.#hasHandles };
    }
    const type = this.#value(definition);
    this.#check();
    return { kind: 'value', type, parts: this.#parts, depth: this.#depth + 1, hasHandles: this.#hasHandles };
  }

  /** Returns the type that `ref`, a reference outside of a type definition, names. */
  ref(ref: TypeRef): WitType {
    return this.#ref(ref);
  }

  /** Returns the resource type of the index `index`. Throws `module_invalid` for another type. */
  resource(index: number): ResourceItem {
    const item = this.#scope.spaces.type[index];
    if (item?.kind !== 'resource') throw invalidComponent(this.#subject, `type ${index} is no resource`);
    return item;
  }

  #check(): void {
    if (this.#parts > componentCaps.typeParts)
      throw tooLargeComponent(
        this.#subject,
        'parts of one type, with each element of a list of fixed length',
        componentCaps.typeParts,
      );
    if (this.#depth >= componentCaps.typeDepth)
      throw tooLargeComponent(this.#subject, 'levels of one type', componentCaps.typeDepth);
  }

  #value(definition: Exclude<ValueOrFunction, { readonly kind: 'func' }>): WitType {
    switch (definition.kind) {
      case 'primitive':
        return definition.type;
      case 'record':
        this.#some(definition.members.length, 'a record without fields');
        return { kind: 'record', fields: this.#labelled(definition.members) };
      case 'variant':
        this.#some(definition.members.length, 'a variant without cases');
        this.#checkLabels(definition.members.map(({ name }) => name));
        return {
          kind: 'variant',
          cases: definition.members.map(({ name, type }): Case => ({ name, type: this.#optional(type) })),
        };
      case 'list': {
        const { length } = definition;
        this.#some(length ?? 1, 'a list of fixed length without elements');
        const of = this.#ref(definition.of);
        // Counts every element of the list like a member of a tuple: each has core values and memory of its own.
        if (length !== null) this.#parts += this.#parts * Math.max(0, length - 1);
        return { kind: 'list', of, length };
      }
      case 'tuple':
        this.#some(definition.of.length, 'a tuple without types');
        return { kind: 'tuple', of: definition.of.map((ref) => this.#ref(ref)) };
      case 'enum':
      case 'flags':
        this.#some(definition.labels.length, `${definition.kind} without labels`);
        if (definition.kind === 'flags' && definition.labels.length > 32)
          throw invalidComponent(this.#subject, 'more than 32 flags');
        this.#checkLabels(definition.labels);
        this.#parts += definition.labels.length;
        return { kind: definition.kind, labels: definition.labels };
      case 'option':
        return { kind: 'option', of: this.#ref(definition.of) };
      case 'result':
        return { kind: 'result', ok: this.#optional(definition.ok), err: this.#optional(definition.err) };
      case 'own':
      case 'borrow':
        this.#hasHandles = true;
        return { kind: definition.kind, resource: this.resource(definition.resource).resource };
      case 'stream':
      case 'future': {
        const of = this.#optional(definition.of);
        if (of === 'char' && definition.kind === 'stream') throw invalidComponent(this.#subject, 'a stream of char');
        if (of !== null && hasBorrows(of))
          throw invalidComponent(this.#subject, `a ${definition.kind} of borrowed resources`);
        return { kind: definition.kind, of };
      }
    }
  }

  #some(count: number, problem: string): void {
    if (count === 0) throw invalidComponent(this.#subject, problem);
  }

  #checkLabels(labels: readonly string[]): void {
    const problem = labelProblem(labels);
    if (problem !== null) throw invalidComponent(this.#subject, problem);
  }

  #labelled(members: readonly LabelledRef[]): Labelled[] {
    this.#checkLabels(members.map(({ name }) => name));
    return members.map(({ name, type }) => ({ name, type: this.#ref(type ?? 'bool') }));
  }

  #optional(ref: TypeRef | null): WitType | null {
    this.#parts += 1;
    return ref === null ? null : this.#ref(ref);
  }

  #ref(ref: TypeRef): WitType {
    const { type, parts, depth, hasHandles } = this.#sized(ref);
    this.#hasHandles ||= hasHandles;
    this.#parts += parts;
    this.#depth = Math.max(this.#depth, depth);
    return type;
  }

  #sized(ref: TypeRef): Sized {
    if (typeof ref === 'string') return { type: ref, parts: 1, depth: 1, hasHandles: false };
    const item = this.#scope.spaces.type[ref];
    if (item?.kind !== 'value') throw invalidComponent(this.#subject, `type ${ref} is no type of a value`);
    return item;
  }
}
