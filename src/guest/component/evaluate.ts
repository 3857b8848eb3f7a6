/**
 * Evaluates the definitions of a component: follows every index, inlines nested components, and finds which core
 * modules are instantiated, in which order and with which arguments. Runs no guest code. componentCaps bound the work,
 * whatever the component says. Errors: `module_invalid`, `module_unsupported`, `module_too_large`.
 *
 * Spec: component-model, Explainer.md "Instance Definitions", "Alias Definitions", "Canonical Definitions".
 */
import type { FuncType } from '../../protocol/module.ts';
import { FunctionParts, liftProblem, lowerProblem } from './canon-options.ts';
import { componentCaps } from './caps.ts';
import { CoreModules } from './core-modules.ts';
import { ExternNames } from './extern-name.ts';
import { flattenFunction } from './flatten.ts';
import type {
  CanonFunction,
  ComponentItem,
  CoreInstance,
  CoreItem,
  Entry,
  FunctionItem,
  Graph,
  InstanceItem,
  Options,
  ResourceItem,
  Scope,
  Signature,
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
import { moduleTypeProblem } from './module-type.ts';
import { invalidComponent, tooLargeComponent, unsupportedComponent } from './refusals.ts';
import { TypeResolver } from './resolve-type.ts';
import { hasBorrows } from './type-contents.ts';
import { type FunctionType, formatFunction, hostResource, sameFunction, sameWitType } from './wit.ts';

export function evaluateComponent(definitions: readonly Definition[], subject: string): Graph {
  return new Evaluator(subject).graph(definitions);
}

function newScope(parent: Scope | null, component: number, isComponent: boolean): Scope {
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

const reallocType: FuncType = { params: ['i32', 'i32', 'i32', 'i32'], results: ['i32'] };
const callbackType: FuncType = { params: ['i32', 'i32', 'i32'], results: ['i32'] };
/** Stands for a core module of which only the type is known. */
const emptyModule = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);

interface Importing {
  readonly scope: Scope;
  readonly imports: ExternNames;
  /** Null: the host provides the imports. */
  readonly args: ReadonlyMap<string, Entry> | null;
}

interface Declarations {
  readonly declarations: readonly Declaration[];
  readonly scope: Scope;
}

interface Declaring {
  readonly scope: Scope;
  readonly imports: ExternNames;
  readonly exports: Exports;
}

/** What a type is compared with: an instance, the arguments for its imports, or nothing. */
interface Given {
  readonly instance?: InstanceItem | null;
  readonly args?: ReadonlyMap<string, Entry> | null;
}

class Exports {
  readonly entries = new Map<string, Entry>();
  readonly #names = new ExternNames('export');
  readonly #subject: string;

  constructor(subject: string) {
    this.#subject = subject;
  }

  /** Throws `module_invalid` for a name that is none, or is there. */
  add(name: string, entry: Entry): void {
    const problem = this.#names.add(name, entry);
    if (problem !== null) throw invalidComponent(this.#subject, problem);
    this.entries.set(name, entry);
  }
}

function hasResources(type: TypeItem): boolean {
  return type.kind === 'resource' || type.hasHandles;
}

class Evaluator {
  readonly #subject: string;
  readonly #instances: CoreInstance[] = [];
  #steps = 0;
  #componentInstances = 0;
  readonly #definers = new Map<string, number>();
  readonly #parts: FunctionParts;
  readonly #signatures: Signature[] = [];
  /** Components that were evaluated, by their definitions. */
  readonly #evaluated = new Set<readonly Definition[]>();
  /** Nested components, in the order of their definitions. */
  readonly #components: Extract<ComponentItem, { readonly kind: 'defined' }>[] = [];
  readonly #coreModules: CoreModules;
  readonly #modules = new Set<Uint8Array>();
  /** Types with declarations that take types with resources from outside of them. */
  readonly #withOuterResources = new WeakSet<Scope>();
  readonly #usedModules = new Set<Uint8Array>();
  /** Whether imports of components and core modules may stay open: nothing is made of what is evaluated. */
  #isOpen = false;

  constructor(subject: string) {
    this.#subject = subject;
    this.#coreModules = new CoreModules(subject);
    this.#parts = new FunctionParts(subject);
  }

  graph(definitions: readonly Definition[]): Graph {
    const exports = this.#instantiate(definitions, null, null);
    const imports = definitions.flatMap((one) => (one.kind === 'import' ? [one.name] : []));
    const instances = [...this.#instances];
    const definers = new Map(this.#definers);
    this.#isOpen = true;
    // Grows while it is read: components nest.
    for (const one of this.#components) {
      this.#instances.length = 0;
      if (!this.#evaluated.has(one.definitions)) this.#instantiate(one.definitions, one.scope, null);
    }
    const unusedModules = [...this.#modules].filter((bytes) => !this.#usedModules.has(bytes));
    return { instances, exports, imports, definers, signatures: this.#signatures, unusedModules };
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
    this.#evaluated.add(definitions);
    const scope = newScope(outer, this.#componentInstances, true);
    const exports = new Exports(this.#subject);
    const imports = new ExternNames('import');
    for (const definition of definitions) {
      this.#step();
      if (definition.kind === 'export') {
        const entry = this.#entry(scope, definition);
        if (definition.as !== null) this.#checkAscribed(scope, definition.name, definition.as, entry);
        exports.add(definition.name, entry);
        this.#push(scope, entry);
      } else if (definition.kind === 'import') this.#import({ scope, imports, args }, definition.name, definition.of);
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
        spaces['core type'].push(definition.module);
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
          if (exports.has(named.name)) this.#fail('two exports of a core instance have one name');
          exports.set(named.name, this.#entry(scope, named).value as CoreItem);
        }
        spaces['core instance'].push({ kind: 'bundle', exports });
        return;
      }
      case 'component':
        this.#addComponent(scope, definition.definitions);
        return;
      case 'bundle': {
        const exports = new Exports(this.#subject);
        for (const named of definition.exports) {
          this.#step();
          exports.add(named.name, this.#entry(scope, named));
        }
        spaces.instance.push({ exports: exports.entries });
        return;
      }
      case 'instance': {
        const component = this.#get(scope, 'component', definition.component);
        const given = new Map<string, Entry>();
        for (const named of definition.args) {
          this.#step();
          if (given.has(named.name)) this.#fail('two arguments of an instance have one name');
          given.set(named.name, this.#entry(scope, named));
        }
        const exports =
          component.kind === 'defined'
            ? this.#instantiate(component.definitions, component.scope, given)
            : this.#declared(component, '$root', { args: given });
        spaces.instance.push({ exports });
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

  #checkAscribed(scope: Scope, name: string, as: External, entry: Entry): void {
    if (as.kind !== entry.sort) this.#fail(`${JSON.stringify(name.slice(0, 60))} is a ${entry.sort}, not a ${as.kind}`);
    this.#imported(scope, '$root', name, as, entry);
  }

  #addComponent(scope: Scope, definitions: readonly Definition[]): void {
    const component = { kind: 'defined', definitions, scope } as const;
    this.#components.push(component);
    scope.spaces.component.push(component);
  }

  #coreInstance(scope: Scope, definition: Extract<Definition, { readonly kind: 'core instance' }>): void {
    if (this.#instances.length >= componentCaps.coreInstances)
      throw tooLargeComponent(this.#subject, 'core instances', componentCaps.coreInstances);
    const args = new Map(
      definition.args.map(({ name, instance }) => [name, this.#get(scope, 'core instance', instance)]),
    );
    if (args.size !== definition.args.length) this.#fail('two arguments of a core instance have one name');
    const module = this.#get(scope, 'core module', definition.module);
    if (module !== null) this.#usedModules.add(module);
    const instance: CoreInstance = {
      index: this.#instances.length,
      component: scope.component,
      module: module ?? emptyModule,
      args,
    };
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
    let crosses = false;
    const crossed: Scope[] = [];
    for (let level = 0; level < alias.levels && from !== null; level += 1) {
      crosses ||= from.isComponent;
      crossed.push(from);
      from = from.parent;
    }
    if (from === null) throw this.#fail(`there is no component ${alias.levels} levels outward`);
    if (
      alias.sort !== 'type' &&
      alias.sort !== 'component' &&
      alias.sort !== 'core module' &&
      alias.sort !== 'core type'
    )
      throw this.#fail(`a ${alias.sort} cannot be taken from an outer component`);
    const value = this.#get(from, alias.sort, alias.index);
    if (crosses && alias.sort === 'type' && hasResources(value as TypeItem))
      this.#fail('a type with resources is taken from an outer component');
    if (alias.sort === 'type' && hasResources(value as TypeItem))
      for (const one of crossed) this.#withOuterResources.add(one);
    return { sort: alias.sort, value } as Entry;
  }

  #type(scope: Scope, definition: TypeDefinition): TypeItem {
    switch (definition.kind) {
      case 'resource': {
        const destructor = definition.destructor === null ? null : this.#get(scope, 'core func', definition.destructor);
        const { component } = scope;
        const id = `#${this.#definers.size}`;
        this.#definers.set(id, component);
        if (destructor !== null)
          this.#expect(destructor, { params: ['i32'], results: [] }, 'the destructor of a resource');
        return { kind: 'resource', resource: { kind: 'resource', id }, host: null, destructor, component };
      }
      case 'instance type':
      case 'component type': {
        const { kind, declarations } = definition;
        // Checks the declarations; whatever has the type declares them again.
        const inner = newScope(scope, scope.component, false);
        this.#declareAll(inner, declarations, '$root', { args: null });
        return { kind, declarations, scope, hasHandles: this.#withOuterResources.has(inner) };
      }
      default:
        return new TypeResolver(scope, this.#subject).resolve(definition);
    }
  }

  #import({ scope, imports, args }: Importing, name: string, of: External): void {
    const given = args === null ? null : args.get(name);
    if (given === undefined) throw this.#fail(`a nested component gets no ${JSON.stringify(name.slice(0, 60))}`);
    if (given !== null && given.sort !== of.kind)
      this.#fail(`${JSON.stringify(name.slice(0, 60))} is a ${given.sort}, not a ${of.kind}`);
    const entry = this.#imported(scope, '$root', name, of, given);
    const problem = imports.add(name, entry);
    if (problem !== null) this.#fail(problem);
    this.#push(scope, entry);
  }

  /**
   * Returns the entry for an import declared as `of`: `given` after a check against the declaration, or the host's
   * entry if `given` is null. `interfaceName` is the interface that contains the declaration.
   */
  #imported(scope: Scope, interfaceName: string, name: string, of: External, given: Entry | null): Entry {
    if (of.kind === 'type') {
      const equal = of.equal === null ? null : this.#get(scope, 'type', of.equal);
      if (given === null) return { sort: 'type', value: equal ?? this.#hostResource(interfaceName, name) };
      this.#checkBound(name, given.value as TypeItem, equal);
      return given;
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
      const exports = this.#declared(declared, name, {
        instance: given === null ? null : (given.value as InstanceItem),
      });
      return given ?? { sort: 'instance', value: { exports } };
    }
    if (of.kind === 'core module') {
      const declared = this.#get(scope, 'core type', of.type);
      if (declared === null) throw this.#fail(`core type ${of.type} is no type of a core module`);
      const bytes = given === null ? null : (given.value as Uint8Array | null);
      if (bytes !== null) {
        const problem = moduleTypeProblem(declared, this.#coreModules.read(bytes));
        if (problem !== null) this.#fail(problem);
      }
      if (given !== null) return given;
      if (this.#isOpen) return { sort: 'core module', value: null };
    } else {
      const declared = this.#get(scope, 'type', of.type);
      if (declared.kind !== 'component type') throw this.#fail(`type ${of.type} is no type of a component`);
      if (given !== null) return given;
      if (this.#isOpen) return { sort: 'component', value: { ...declared, kind: 'declared' } };
    }
    throw unsupportedComponent(this.#subject, `an import of a ${of.kind} (${name.slice(0, 60)})`);
  }

  /** Throws `module_invalid` unless `given` is a type within a bound: equal to `equal`, or a resource (null). */
  #checkBound(name: string, given: TypeItem, equal: TypeItem | null): void {
    if (equal === null) {
      if (given.kind !== 'resource') this.#fail(`${name.slice(0, 60)} is no resource`);
      return;
    }
    const isEqual =
      given.kind === 'resource' && equal.kind === 'resource'
        ? given.resource.id === equal.resource.id
        : given.kind === 'value' && equal.kind === 'value'
          ? sameWitType(given.type, equal.type)
          : given.kind === 'func' && equal.kind === 'func'
            ? sameFunction(given.type, equal.type)
            : given.kind === equal.kind;
    if (!isEqual) this.#fail(`the type ${name.slice(0, 60)} is not the one that is declared`);
  }

  #hostResource(interfaceName: string, name: string): ResourceItem {
    const resource = hostResource(compatibleName(interfaceName), name);
    return { kind: 'resource', resource, host: { interfaceName, name }, destructor: null, component: null };
  }

  /**
   * Evaluates the type of an instance or a component and returns the exports that it declares. Checks the instance that is
   * given against the type; null: the host provides it.
   */
  #declared(type: Declarations, interfaceName: string, given: Given): ReadonlyMap<string, Entry> {
    return this.#declareAll(newScope(type.scope, type.scope.component, false), type.declarations, interfaceName, given);
  }

  #declareAll(
    scope: Scope,
    declarations: readonly Declaration[],
    interfaceName: string,
    given: Given,
  ): ReadonlyMap<string, Entry> {
    const into = { scope, exports: new Exports(this.#subject), imports: new ExternNames('import') };
    for (const declaration of declarations) {
      this.#step();
      this.#declare(into, declaration, interfaceName, given);
    }
    return into.exports.entries;
  }

  #declare(
    { scope, exports, imports }: Declaring,
    declaration: Declaration,
    interfaceName: string,
    { instance: given = null, args = null }: Given,
  ): void {
    switch (declaration.kind) {
      case 'core type':
        scope.spaces['core type'].push(declaration.module);
        return;
      case 'type':
        if (declaration.type.kind === 'resource') this.#fail('a type that declares a resource of its own');
        scope.spaces.type.push(this.#type(scope, declaration.type));
        return;
      case 'alias':
        if (declaration.sort !== 'type' && declaration.sort !== 'core type' && declaration.sort !== 'instance')
          this.#fail(`a type takes a ${declaration.sort} from elsewhere`);
        this.#push(scope, this.#alias(scope, declaration));
        return;
      case 'import':
        this.#open(() => this.#import({ scope, imports, args }, declaration.name, declaration.of));
        return;
      case 'export': {
        const { name, of } = declaration;
        const actual = given === null ? null : (given.exports.get(name) ?? null);
        if (given !== null && actual?.sort !== of.kind)
          this.#fail(`an instance lacks the ${of.kind} ${JSON.stringify(name.slice(0, 60))}`);
        const inner = of.kind === 'instance' ? `${interfaceName}/${name}` : interfaceName;
        const imported = () => this.#imported(scope, inner, of.kind === 'instance' ? inner : name, of, actual);
        const entry = given === null ? this.#open(imported) : imported();
        exports.add(name, entry);
        this.#push(scope, entry);
        return;
      }
    }
  }

  /** Calls `act`, during which imports of components and core modules may stay open: nothing is made of them. */
  #open<T>(act: () => T): T {
    const before = this.#isOpen;
    this.#isOpen = true;
    try {
      return act();
    } finally {
      this.#isOpen = before;
    }
  }

  #expect(item: CoreItem, type: FuncType, what: string): void {
    this.#signatures.push({ item, type, what });
  }

  #options(scope: Scope, options: CanonOptions): Options {
    const optional = (sort: 'core func' | 'core memory', index: number | null): CoreItem | null =>
      index === null ? null : this.#get(scope, sort, index);
    const realloc = optional('core func', options.realloc);
    if (realloc !== null) this.#expect(realloc, reallocType, 'the option realloc');
    return {
      encoding: options.encoding,
      memory: optional('core memory', options.memory),
      realloc,
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
      this.#checkLift(type.type, core, options);
      scope.spaces.func.push({ kind: 'lifted', core, options, type: type.type, component: scope.component });
      return;
    }
    scope.spaces['core func'].push({
      kind: 'canon',
      canon: this.#canonFunction(scope, canon),
      component: scope.component,
    });
  }

  #checkLift(type: FunctionType, core: CoreItem, options: Options): void {
    this.#parts.add(type);
    if (type.result !== null && hasBorrows(type.result)) this.#fail('a function that returns a borrowed resource');
    const problem = liftProblem(type, options);
    if (problem !== null) this.#fail(problem);
    const style = options.async ? (options.callback === null ? 'async' : 'callback') : 'sync';
    const lifted = flattenFunction(type, 'lift', style);
    this.#expect(core, lifted, 'a lifted core function');
    if (options.postReturn !== null)
      this.#expect(options.postReturn, { params: lifted.results, results: [] }, 'the option post-return');
    if (options.callback !== null) this.#expect(options.callback, callbackType, 'the option callback');
  }

  #lower(scope: Scope, canon: Extract<Canon, { readonly op: 'lower' }>): CanonFunction {
    const func = this.#get(scope, 'func', canon.func);
    const options = this.#options(scope, canon.options);
    this.#parts.add(func.type);
    const problem = lowerProblem(func.type, options);
    if (problem !== null) this.#fail(problem);
    return { op: 'lower', func, options };
  }

  #canonFunction(scope: Scope, canon: Exclude<Canon, { readonly op: 'lift' }>): CanonFunction {
    const resolver = new TypeResolver(scope, this.#subject);
    switch (canon.op) {
      case 'lower':
        return this.#lower(scope, canon);
      case 'resource.new':
      case 'resource.drop':
      case 'resource.rep': {
        const resource = resolver.resource(canon.type);
        if (canon.op !== 'resource.drop' && resource.component !== scope.component)
          this.#fail(`${canon.op} of a resource that another component defines`);
        return { op: canon.op, resource };
      }
      case 'task.return': {
        const result = canon.result === null ? null : resolver.ref(canon.result);
        if (result !== null && hasBorrows(result)) this.#fail('task.return of a borrowed resource');
        return { op: canon.op, result, options: this.#options(scope, canon.options) };
      }
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
