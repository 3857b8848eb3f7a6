/**
 * Evaluates the definitions of a component: follows every index, inlines nested components, and finds which core
 * modules are instantiated, in which order and with which arguments. Runs no guest code. componentCaps bound the work,
 * whatever the component says. Errors: `module_invalid`, `module_unsupported`, `module_too_large`.
 *
 * Spec: component-model, Explainer.md "Component Definitions", "Instance Definitions".
 */
import { CanonDefinitions } from './canon-definitions.ts';
import { componentCaps } from './caps.ts';
import { DeclaredTypes } from './declared-types.ts';
import { Evaluation, Exports, newScope } from './evaluation.ts';
import { ExternNames } from './extern-name.ts';
import {
  type ComponentItem,
  type CoreInstance,
  type CoreItem,
  type Entry,
  type Graph,
  type Scope,
  unknownModule,
} from './graph.ts';
import type { Definition } from './model.ts';
import { tooLargeComponent } from './refusals.ts';

/** Returns the evaluated component. `subject` is its name in messages. */
export function evaluateComponent(definitions: readonly Definition[], subject: string): Graph {
  return new Evaluator(subject).graph(definitions);
}

class Evaluator {
  readonly #evaluation: Evaluation;
  readonly #types: DeclaredTypes;
  readonly #canons: CanonDefinitions;
  readonly #instances: CoreInstance[] = [];
  #componentInstances = 0;
  /** Nested components that were evaluated with nothing given for their imports, by their definitions. */
  readonly #checked = new Set<readonly Definition[]>();
  /** Nested components, in the order of their definitions. */
  readonly #components: Extract<ComponentItem, { readonly kind: 'defined' }>[] = [];
  readonly #modules = new Set<Uint8Array>();
  readonly #usedModules = new Set<Uint8Array>();

  constructor(subject: string) {
    this.#evaluation = new Evaluation(subject);
    this.#types = new DeclaredTypes(this.#evaluation, ({ definitions, scope }, args) =>
      this.#withoutInstances(() => this.#instantiate(definitions, scope, args)),
    );
    this.#canons = new CanonDefinitions(this.#evaluation);
  }

  graph(definitions: readonly Definition[]): Graph {
    const exports = this.#instantiate(definitions, null, null);
    const imports = definitions.flatMap((one) => (one.kind === 'import' ? [one.name] : []));
    const instances = [...this.#instances];
    const allInstances = [...instances];
    const definers = new Map(this.#types.definers);
    this.#types.isOpen = true;
    // A component is valid by what it declares, for all arguments. The list grows while it is read: components nest.
    for (const { definitions: nested, scope } of this.#components) {
      if (this.#checked.has(nested)) continue;
      this.#checked.add(nested);
      this.#instances.length = 0;
      this.#instantiate(nested, scope, null);
      allInstances.push(...this.#instances);
    }
    const unusedModules = [...this.#modules].filter((bytes) => !this.#usedModules.has(bytes));
    return {
      instances,
      allInstances,
      exports,
      imports,
      definers,
      signatures: this.#evaluation.signatures,
      coreAliases: this.#evaluation.coreAliases,
      unusedModules,
    };
  }

  /** Calls `act`, and forgets the core instances that it has added. */
  #withoutInstances<T>(act: () => T): T {
    const before = this.#instances.length;
    const result = act();
    this.#instances.length = before;
    return result;
  }

  /**
   * Evaluates one component, which was defined in scope `outer`, and returns its exports. `args` are its imports by
   * name; null for the root, whose imports the host provides.
   */
  #instantiate(
    definitions: readonly Definition[],
    outer: Scope | null,
    args: ReadonlyMap<string, Entry> | null,
  ): ReadonlyMap<string, Entry> {
    this.#componentInstances += 1;
    if (this.#componentInstances > componentCaps.instances)
      throw tooLargeComponent(this.#evaluation.subject, 'instances of nested components', componentCaps.instances);
    const scope = newScope(outer, this.#componentInstances, true);
    const exports = new Exports(this.#evaluation.subject, { isOpen: args === null });
    const imports = new ExternNames('import', args === null);
    const named = args === null ? this.#types.namedTypes() : null;
    for (const definition of definitions) {
      this.#evaluation.step();
      if (definition.kind === 'export') {
        const entry = this.#types.exported(scope, named, definition, this.#evaluation.entry(scope, definition));
        exports.add(definition, entry);
        this.#evaluation.push(scope, entry);
      } else if (definition.kind === 'import') this.#types.import({ scope, imports, named, args }, definition);
      else this.#define(scope, definition);
    }
    return exports.entries;
  }

  #define(scope: Scope, definition: Exclude<Definition, { readonly kind: 'import' | 'export' }>): void {
    const { spaces } = scope;
    switch (definition.kind) {
      case 'core module':
        this.#modules.add(definition.bytes);
        spaces['core module'].push(definition.bytes);
        return;
      case 'core type':
        spaces['core type'].push(this.#evaluation.coreType(scope, definition.type));
        return;
      case 'core instance':
        this.#coreInstance(scope, definition);
        return;
      case 'core bundle': {
        const exports = new Map<string, CoreItem>();
        for (const named of definition.exports) {
          this.#evaluation.step();
          if (named.sort === 'core type' || named.sort === 'core module' || named.sort === 'core instance')
            this.#evaluation.fail(`a core instance exports no ${named.sort}`);
          if (exports.has(named.name)) this.#evaluation.fail('two exports of a core instance have one name');
          // Of another sort it has failed above.
          exports.set(named.name, this.#evaluation.entry(scope, named).value as CoreItem);
        }
        spaces['core instance'].push({ kind: 'bundle', exports });
        return;
      }
      case 'component':
        this.#addComponent(scope, definition.definitions);
        return;
      case 'bundle': {
        const exports = new Exports(this.#evaluation.subject, { of: 'bundle' });
        for (const named of definition.exports) {
          this.#evaluation.step();
          exports.add(named, this.#evaluation.entry(scope, named));
        }
        spaces.instance.push({ exports: exports.entries });
        return;
      }
      case 'instance': {
        const component = this.#evaluation.get(scope, 'component', definition.component);
        const given = new Map<string, Entry>();
        for (const named of definition.args) {
          this.#evaluation.step();
          if (given.has(named.name)) this.#evaluation.fail('two arguments of an instance have one name');
          given.set(named.name, this.#evaluation.entry(scope, named));
        }
        spaces.instance.push({ exports: this.#exportsOf(component, given, `$instance ${spaces.instance.length}`) });
        return;
      }
      case 'alias':
        this.#evaluation.push(scope, this.#types.alias(scope, definition));
        return;
      case 'type':
        spaces.type.push(this.#types.type(scope, definition.type));
        return;
      case 'canon':
        this.#canons.add(scope, definition.canon);
        return;
    }
  }

  /**
   * Returns the exports of an instance of `component`, as its type shows them. `name` stands for the instance in names
   * of resources.
   */
  #exportsOf(component: ComponentItem, args: ReadonlyMap<string, Entry>, name: string): ReadonlyMap<string, Entry> {
    if (component.kind === 'declared') return this.#types.declared(component, name, { args });
    const { definitions, scope, shownAs } = component;
    if (shownAs !== undefined) this.#types.declared(shownAs, name, { args });
    const exports = this.#instantiate(definitions, scope, args);
    return shownAs === undefined
      ? exports
      : this.#types.declared(shownAs, name, { instance: { exports }, args, isShown: true });
  }

  #addComponent(scope: Scope, definitions: readonly Definition[]): void {
    const component = { kind: 'defined', definitions, scope } as const;
    this.#components.push(component);
    scope.spaces.component.push(component);
  }

  #coreInstance(scope: Scope, definition: Extract<Definition, { readonly kind: 'core instance' }>): void {
    if (this.#instances.length >= componentCaps.coreInstances)
      throw tooLargeComponent(this.#evaluation.subject, 'core instances', componentCaps.coreInstances);
    const args = new Map(
      definition.args.map(({ name, instance }) => [name, this.#evaluation.get(scope, 'core instance', instance)]),
    );
    if (args.size !== definition.args.length) this.#evaluation.fail('two arguments of a core instance have one name');
    const module = this.#evaluation.get(scope, 'core module', definition.module);
    const isKnown = module instanceof Uint8Array;
    if (isKnown) this.#usedModules.add(module);
    const instance: CoreInstance = {
      index: this.#instances.length,
      component: scope.component,
      module: isKnown ? module : unknownModule,
      declared: isKnown ? null : module,
      args,
    };
    this.#instances.push(instance);
    scope.spaces['core instance'].push({ kind: 'instance', instance });
  }
}
