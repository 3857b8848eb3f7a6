/**
 * Evaluates the definitions of a component: follows every index, inlines nested components, and finds which core
 * modules are instantiated, in which order and with which arguments. Runs no guest code. componentCaps bound the work,
 * whatever the component says. Errors: `module_invalid`, `module_unsupported`, `module_too_large`.
 *
 * Spec: component-model, Explainer.md "Instance Definitions", "Alias Definitions", "Canonical Definitions".
 */
import { componentCaps } from './caps.ts';
import type {
  CanonFunction,
  CoreInstance,
  CoreItem,
  Entry,
  FunctionItem,
  Graph,
  InstanceItem,
  Options,
  ResourceItem,
  Scope,
  Spaces,
  TypeItem,
} from './graph.ts';
import { compatibleName } from './interface-name.ts';
import type {
  Alias,
  Canon,
  CanonOptions,
  Declaration,
  Definition,
  External,
  Named,
  Sort,
  TypeDefinition,
} from './model.ts';
import { invalidComponent, tooLargeComponent, unsupportedComponent } from './refusals.ts';
import { TypeResolver } from './resolve-type.ts';
import { formatFunction, hostResource, sameFunction } from './wit.ts';

export function evaluateComponent(definitions: readonly Definition[], subject: string): Graph {
  return new Evaluator(subject).graph(definitions);
}

function newScope(parent: Scope | null, component: number): Scope {
  return {
    parent,
    component,
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

class Evaluator {
  readonly #subject: string;
  readonly #instances: CoreInstance[] = [];
  #steps = 0;
  #componentInstances = 0;
  readonly #definers = new Map<string, number>();

  constructor(subject: string) {
    this.#subject = subject;
  }

  graph(definitions: readonly Definition[]): Graph {
    const exports = this.#instantiate(definitions, null, null);
    const imports = definitions.flatMap((one) => (one.kind === 'import' ? [one.name] : []));
    return { instances: this.#instances, exports, imports, definers: this.#definers };
  }

  #fail(problem: string): never {
    throw invalidComponent(this.#subject, problem);
  }

  #step(): void {
    this.#steps += 1;
    if (this.#steps > componentCaps.definitions)
      throw tooLargeComponent(this.#subject, 'steps of the instantiation', componentCaps.definitions);
  }

  /** Returns entry `index` of an index space. Throws `module_invalid` if the space has no such entry. */
  #get<S extends Sort>(scope: Scope, sort: S, index: number): Spaces[S][number] {
    const value = scope.spaces[sort][index];
    if (value === undefined) throw this.#fail(`${sort} ${index} does not exist`);
    return value;
  }

  #entry(scope: Scope, { sort, index }: Named): Entry {
    return { sort, value: this.#get(scope, sort, index) } as Entry;
  }

  #push(scope: Scope, { sort, value }: Entry): void {
    (scope.spaces[sort] as unknown[]).push(value);
  }

  /**
   * Evaluates one component, which was defined in scope `outer`, and returns its exports. `args` are its imports by name; null for the root, whose imports
   * the host provides.
   */
  #instantiate(
    definitions: readonly Definition[],
    outer: Scope | null,
    args: ReadonlyMap<string, Entry> | null,
  ): ReadonlyMap<string, Entry> {
    this.#componentInstances += 1;
    if (this.#componentInstances > componentCaps.instances)
      throw tooLargeComponent(this.#subject, 'instances of nested components', componentCaps.instances);
    const scope = newScope(outer, this.#componentInstances);
    const exports = new Map<string, Entry>();
    for (const definition of definitions) {
      this.#step();
      if (definition.kind === 'export') {
        const entry = this.#entry(scope, definition);
        this.#addExport(exports, definition.name, entry);
        this.#push(scope, entry);
      } else if (definition.kind === 'import') this.#import(scope, definition.name, definition.of, args);
      else this.#define(scope, definition);
    }
    return exports;
  }

  #addExport(exports: Map<string, Entry>, name: string, entry: Entry): void {
    if (exports.has(name)) this.#fail(`two exports are called ${JSON.stringify(name.slice(0, 60))}`);
    exports.set(name, entry);
  }

  #define(scope: Scope, definition: Exclude<Definition, { readonly kind: 'import' | 'export' }>): void {
    const { spaces } = scope;
    switch (definition.kind) {
      case 'core module':
        spaces['core module'].push(definition.bytes);
        return;
      case 'core type':
        spaces['core type'].push(null);
        return;
      case 'core instance':
        this.#coreInstance(scope, definition);
        return;
      case 'core bundle': {
        const exports = new Map<string, CoreItem>();
        for (const named of definition.exports) {
          this.#step();
          if (named.sort === 'core type' || named.sort === 'core module' || named.sort === 'core instance')
            this.#fail(`a core instance exports no ${named.sort}`);
          exports.set(named.name, this.#entry(scope, named).value as CoreItem);
        }
        spaces['core instance'].push({ kind: 'bundle', exports });
        return;
      }
      case 'component':
        spaces.component.push({ definitions: definition.definitions, scope });
        return;
      case 'bundle': {
        const exports = new Map<string, Entry>();
        for (const named of definition.exports) {
          this.#step();
          this.#addExport(exports, named.name, this.#entry(scope, named));
        }
        spaces.instance.push({ exports });
        return;
      }
      case 'instance': {
        const component = this.#get(scope, 'component', definition.component);
        const given = new Map<string, Entry>();
        for (const named of definition.args) {
          this.#step();
          given.set(named.name, this.#entry(scope, named));
        }
        spaces.instance.push({
          exports: this.#instantiate(component.definitions, component.scope, given),
        });
        return;
      }
      case 'alias':
        this.#push(scope, this.#alias(scope, definition));
        return;
      case 'type':
        spaces.type.push(this.#type(scope, definition.type));
        return;
      case 'canon':
        this.#canon(scope, definition.canon);
        return;
    }
  }

  #coreInstance(scope: Scope, definition: Extract<Definition, { readonly kind: 'core instance' }>): void {
    if (this.#instances.length >= componentCaps.coreInstances)
      throw tooLargeComponent(this.#subject, 'core instances', componentCaps.coreInstances);
    const args = new Map(
      definition.args.map(({ name, instance }) => [name, this.#get(scope, 'core instance', instance)]),
    );
    if (args.size !== definition.args.length) this.#fail('two arguments of a core instance have one name');
    const module = this.#get(scope, 'core module', definition.module);
    const instance: CoreInstance = { index: this.#instances.length, component: scope.component, module, args };
    this.#instances.push(instance);
    scope.spaces['core instance'].push({ kind: 'instance', instance });
  }

  #alias(scope: Scope, alias: Alias): Entry {
    if (alias.of === 'core export') {
      const item = this.#get(scope, 'core instance', alias.instance);
      const { sort, name } = alias;
      if (item.kind === 'instance')
        return { sort, value: { kind: 'export', instance: item.instance, name, sort } } as Entry;
      const value = item.exports.get(name);
      if (value === undefined) throw this.#fail(`a core instance exports no ${JSON.stringify(name.slice(0, 60))}`);
      return { sort, value } as Entry;
    }
    if (alias.of === 'export') {
      const entry = this.#get(scope, 'instance', alias.instance).exports.get(alias.name);
      if (entry?.sort !== alias.sort)
        throw this.#fail(
          `instance ${alias.instance} exports no ${alias.sort} ${JSON.stringify(alias.name.slice(0, 60))}`,
        );
      return entry;
    }
    let from: Scope | null = scope;
    for (let level = 0; level < alias.levels && from !== null; level += 1) from = from.parent;
    if (from === null) throw this.#fail(`there is no component ${alias.levels} levels outward`);
    if (
      alias.sort !== 'type' &&
      alias.sort !== 'component' &&
      alias.sort !== 'core module' &&
      alias.sort !== 'core type'
    )
      throw this.#fail(`a ${alias.sort} cannot be taken from an outer component`);
    return { sort: alias.sort, value: this.#get(from, alias.sort, alias.index) } as Entry;
  }

  #type(scope: Scope, definition: TypeDefinition): TypeItem {
    switch (definition.kind) {
      case 'resource': {
        const destructor = definition.destructor === null ? null : this.#get(scope, 'core func', definition.destructor);
        const { component } = scope;
        const id = `#${this.#definers.size}`;
        this.#definers.set(id, component);
        return { kind: 'resource', resource: { kind: 'resource', id }, host: null, destructor, component };
      }
      case 'instance type':
        return { kind: 'instance type', declarations: definition.declarations, scope };
      case 'component type':
        return { kind: 'component type' };
      default:
        return new TypeResolver(scope, this.#subject).resolve(definition);
    }
  }

  #import(scope: Scope, name: string, of: External, args: ReadonlyMap<string, Entry> | null): void {
    if (args === null) {
      this.#push(scope, this.#imported(scope, '$root', name, of, null));
      return;
    }
    const given = args.get(name);
    if (given === undefined) throw this.#fail(`a nested component gets no ${JSON.stringify(name.slice(0, 60))}`);
    if (given.sort !== of.kind) this.#fail(`${JSON.stringify(name.slice(0, 60))} is a ${given.sort}, not a ${of.kind}`);
    this.#push(scope, this.#imported(scope, '$root', name, of, given));
  }

  /**
   * Returns the entry for an import declared as `of`: `given` after a check against the declaration, or the host's
   * entry if `given` is null. `interfaceName` is the interface that contains the declaration.
   */
  #imported(scope: Scope, interfaceName: string, name: string, of: External, given: Entry | null): Entry {
    if (of.kind === 'type') {
      if (given !== null) return given;
      const value = of.equal === null ? this.#hostResource(interfaceName, name) : this.#get(scope, 'type', of.equal);
      return { sort: 'type', value };
    }
    if (of.kind === 'func') {
      const declared = this.#get(scope, 'type', of.type);
      if (declared.kind !== 'func') throw this.#fail(`type ${of.type} is no type of a function`);
      if (given === null) return { sort: 'func', value: { kind: 'host', interfaceName, name, type: declared.type } };
      const { type } = given.value as FunctionItem;
      if (!sameFunction(type, declared.type))
        this.#fail(`${name.slice(0, 60)} is a ${formatFunction(type)}, not a ${formatFunction(declared.type)}`);
      return given;
    }
    if (of.kind === 'instance') {
      const declared = this.#get(scope, 'type', of.type);
      if (declared.kind !== 'instance type') throw this.#fail(`type ${of.type} is no type of an instance`);
      const exports = this.#declared(declared, name, given === null ? null : (given.value as InstanceItem));
      return given ?? { sort: 'instance', value: { exports } };
    }
    if (given !== null) return given;
    throw unsupportedComponent(this.#subject, `an import of a ${of.kind} (${name.slice(0, 60)})`);
  }

  #hostResource(interfaceName: string, name: string): ResourceItem {
    const resource = hostResource(compatibleName(interfaceName), name);
    return { kind: 'resource', resource, host: { interfaceName, name }, destructor: null, component: null };
  }

  /**
   * Evaluates an instance type and returns the exports that it declares. Checks `given` against the type; null: the
   * host provides the instance.
   */
  #declared(
    type: Extract<TypeItem, { readonly kind: 'instance type' }>,
    interfaceName: string,
    given: InstanceItem | null,
  ): ReadonlyMap<string, Entry> {
    const scope = newScope(type.scope, type.scope.component);
    const exports = new Map<string, Entry>();
    for (const declaration of type.declarations) {
      this.#step();
      this.#declare(scope, declaration, interfaceName, given, exports);
    }
    return exports;
  }

  #declare(
    scope: Scope,
    declaration: Declaration,
    interfaceName: string,
    given: InstanceItem | null,
    exports: Map<string, Entry>,
  ): void {
    switch (declaration.kind) {
      case 'core type':
        scope.spaces['core type'].push(null);
        return;
      case 'type':
        scope.spaces.type.push(this.#type(scope, declaration.type));
        return;
      case 'alias':
        this.#push(scope, this.#alias(scope, declaration));
        return;
      case 'import':
        throw this.#fail('an instance type with an import');
      case 'export': {
        const { name, of } = declaration;
        const actual = given === null ? null : (given.exports.get(name) ?? null);
        if (given !== null && actual?.sort !== of.kind)
          this.#fail(`an instance lacks the ${of.kind} ${JSON.stringify(name.slice(0, 60))}`);
        const inner = of.kind === 'instance' ? `${interfaceName}/${name}` : interfaceName;
        const entry = this.#imported(scope, inner, of.kind === 'instance' ? inner : name, of, actual);
        this.#addExport(exports, name, entry);
        this.#push(scope, entry);
        return;
      }
    }
  }

  #options(scope: Scope, options: CanonOptions): Options {
    const optional = (sort: 'core func' | 'core memory', index: number | null): CoreItem | null =>
      index === null ? null : this.#get(scope, sort, index);
    return {
      encoding: options.encoding,
      memory: optional('core memory', options.memory),
      realloc: optional('core func', options.realloc),
      postReturn: optional('core func', options.postReturn),
      callback: optional('core func', options.callback),
      async: options.async,
    };
  }

  #canon(scope: Scope, canon: Canon): void {
    if (canon.op === 'lift') {
      const type = this.#get(scope, 'type', canon.type);
      if (type.kind !== 'func') throw this.#fail(`type ${canon.type} is no type of a function`);
      const core = this.#get(scope, 'core func', canon.func);
      const options = this.#options(scope, canon.options);
      scope.spaces.func.push({ kind: 'lifted', core, options, type: type.type, component: scope.component });
      return;
    }
    scope.spaces['core func'].push({
      kind: 'canon',
      canon: this.#canonFunction(scope, canon),
      component: scope.component,
    });
  }

  #canonFunction(scope: Scope, canon: Exclude<Canon, { readonly op: 'lift' }>): CanonFunction {
    const resolver = new TypeResolver(scope, this.#subject);
    switch (canon.op) {
      case 'lower':
        return {
          op: 'lower',
          func: this.#get(scope, 'func', canon.func),
          options: this.#options(scope, canon.options),
        };
      case 'resource.new':
      case 'resource.drop':
      case 'resource.rep':
        return { op: canon.op, resource: resolver.resource(canon.type) };
      case 'task.return':
        return {
          op: canon.op,
          result: canon.result === null ? null : resolver.ref(canon.result),
          options: this.#options(scope, canon.options),
        };
      case 'waitable-set.wait':
      case 'waitable-set.poll':
        return { op: canon.op, memory: this.#get(scope, 'core memory', canon.memory) };
      case 'error-context.new':
      case 'error-context.debug-message':
        return { op: canon.op, options: this.#options(scope, canon.options) };
      default: {
        if (!('type' in canon)) return canon;
        const item = this.#get(scope, 'type', canon.type);
        const kind = canon.op.startsWith('stream') ? 'stream' : 'future';
        if (item.kind !== 'value' || typeof item.type === 'string' || item.type.kind !== kind)
          throw this.#fail(`type ${canon.type} is no ${kind}`);
        const options = canon.options === null ? null : this.#options(scope, canon.options);
        return { op: canon.op, of: item.type.of as never, options, async: canon.async };
      }
    }
  }
}
