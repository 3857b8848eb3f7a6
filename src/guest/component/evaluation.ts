/**
 * What the evaluation of a component works on: its index spaces, the steps it has taken, the signatures it has met.
 *
 * Casts: the sort of an Entry tells the type of its value.
 */
import type { FuncType } from '../../protocol/module.ts';
import { componentCaps } from './caps.ts';
import { ExternNames } from './extern-name.ts';
import type { CoreExport, CoreItem, Entry, Scope, Signature, Spaces } from './graph.ts';
import type { ExternName, Named, Sort } from './model.ts';
import { type CoreDefinition, resolveModuleType } from './module-type.ts';
import { invalidComponent, tooLargeComponent } from './refusals.ts';

export class Evaluation {
  /** Name of the component in messages. */
  readonly subject: string;
  readonly signatures: Signature[] = [];
  /** Exports of core modules that aliases name; signatures.ts checks that they are there. */
  readonly coreAliases: CoreExport[] = [];
  #steps = 0;

  constructor(subject: string) {
    this.subject = subject;
  }

  /** Throws `module_invalid`. */
  fail(problem: string): never {
    throw invalidComponent(this.subject, problem);
  }

  /** Counts steps. Throws `module_too_large` beyond componentCaps.definitions. */
  step(count = 1): void {
    this.#steps += count;
    if (this.#steps > componentCaps.definitions)
      throw tooLargeComponent(this.subject, 'steps of the instantiation', componentCaps.definitions);
  }

  /** Returns entry `index` of an index space. Throws `module_invalid` if the space has no such entry. */
  get<S extends Sort>(scope: Scope, sort: S, index: number): Spaces[S][number] {
    const value = scope.spaces[sort][index];
    if (value === undefined) throw this.fail(`${sort} ${index} does not exist`);
    return value;
  }

  /** Returns the entry that `named` names. */
  entry(scope: Scope, { sort, index }: Named): Entry {
    return { sort, value: this.get(scope, sort, index) } as Entry;
  }

  /**
   * Returns a core type, defined in `scope`, with what it takes from scopes around it. Throws `module_invalid` if there
   * is no such type.
   */
  coreType(scope: Scope, type: CoreDefinition): CoreDefinition {
    if ('func' in type) return type;
    if (type.outers.length > 0) this.step(type.imports.size + type.exports.size);
    return resolveModuleType(type, ({ levels, index }) => {
      let from: Scope | null = scope;
      for (let level = 1; level < levels && from !== null; level += 1) from = from.parent;
      const found = from?.spaces['core type'][index];
      if (found === undefined || !('func' in found))
        throw this.fail(`core type ${index}, ${levels} levels outward, is no type of a function`);
      return found.func;
    });
  }

  /** Adds an entry to its index space. */
  push(scope: Scope, { sort, value }: Entry): void {
    (scope.spaces[sort] as unknown[]).push(value);
  }

  /** Notes the type that a core function must have; signatures.ts checks it. */
  expect(item: CoreItem, type: FuncType, what: string): void {
    this.signatures.push({ item, type, what });
  }
}

/** Returns empty index spaces. */
export function newScope(parent: Scope | null, component: number, isComponent: boolean): Scope {
  return {
    parent,
    component,
    isComponent,
    spaces: {
      'core func': [],
      'core table': [],
      'core memory': [],
      'core global': [],
      'core tag': [],
      'core type': [],
      'core module': [],
      'core instance': [],
      func: [],
      type: [],
      component: [],
      instance: [],
    },
  };
}

/** The exports of one instance, or of one type with declarations. */
export class Exports {
  readonly entries = new Map<string, Entry>();
  readonly #names: ExternNames;
  readonly #subject: string;

  /** `isOpen`: nothing is given for imports. */
  constructor(
    subject: string,
    { of = 'component', isOpen = true }: { readonly of?: 'component' | 'bundle'; readonly isOpen?: boolean } = {},
  ) {
    this.#subject = subject;
    this.#names = new ExternNames(of === 'bundle' ? 'bundled export' : 'export', isOpen);
  }

  /** Throws `module_invalid` for a name that is none, or is there. */
  add(name: ExternName, entry: Entry): void {
    const problem = this.#names.add(name, entry);
    if (problem !== null) throw invalidComponent(this.#subject, problem);
    this.entries.set(name.name, entry);
  }
}
