/**
 * Evaluates types and what is declared with one: imports, exports, the arguments of instances. Checks what is given
 * against what is declared. Errors: `module_invalid`, `module_unsupported`, `module_too_large`.
 *
 * Spec: component-model, Explainer.md "Type Definitions", "Import and Export Definitions", "Alias Definitions".
 *
 * Casts: the sort of an Entry tells the type of its value, also where the compiler has forgotten which.
 */
import { PlatformError } from '../../protocol/errors.ts';
import { CoreModules } from './core-modules.ts';
import { type Evaluation, Exports, newScope } from './evaluation.ts';
import { ExternNames } from './extern-name.ts';
import type {
  ComponentItem,
  CoreExport,
  Declarations,
  Entry,
  FunctionItem,
  InstanceItem,
  ResourceItem,
  Scope,
  TypeItem,
} from './graph.ts';
import { compatibleName } from './interface-name.ts';
import type { Alias, Declaration, Definition, External, ExternName, TypeDefinition } from './model.ts';
import { type ModuleType, moduleTypeProblem } from './module-type.ts';
import { NamedTypes, renamed } from './named-types.ts';
import { unsupportedComponent } from './refusals.ts';
import { TypeResolver } from './resolve-type.ts';
import { formatFunction, hostResource, sameFunction, sameWitType } from './wit.ts';

type ImportDefinition = ExternName & { readonly of: External };
type ExportDefinition = Extract<Definition, { readonly kind: 'export' }>;

interface Importing {
  readonly scope: Scope;
  readonly imports: ExternNames;
  /** Null: what is imported is given, and was checked where only its type was known. */
  readonly named: NamedTypes | null;
  /** Null: the host provides the imports. */
  readonly args: ReadonlyMap<string, Entry> | null;
}

interface Declaring {
  readonly scope: Scope;
  readonly named: NamedTypes | null;
  readonly imports: ExternNames;
  readonly exports: Exports;
}

/** What a type is compared with: an instance, the arguments for its imports, or nothing. */
interface Given {
  readonly instance?: InstanceItem | null;
  readonly args?: ReadonlyMap<string, Entry> | null;
  /**
   * Whether what is given is shown with the types that are declared, as an export is; else with its own, as an argument
   * is.
   */
  readonly isShown?: boolean;
  /** Takes the imports that the type declares. */
  readonly imports?: Map<string, Entry>;
}

/** Evaluates a component with arguments, of which nothing is made, and returns its exports. */
export type Instantiate = (
  component: Extract<ComponentItem, { readonly kind: 'defined' }>,
  args: ReadonlyMap<string, Entry>,
) => ReadonlyMap<string, Entry>;

export class DeclaredTypes {
  /** Numbers of the component instances that define resources, by resource id. */
  readonly definers = new Map<string, number>();
  /** Whether imports of components and core modules may stay open: nothing is made of what is evaluated. */
  isOpen = false;
  readonly #evaluation: Evaluation;
  readonly #instantiate: Instantiate;
  readonly #coreModules: CoreModules;
  /** Number of types with declarations so far: each has resources of its own. */
  #types = 0;
  /** Types with declarations that take types with resources from outside of them. */
  readonly #withOuterResources = new WeakSet<Scope>();

  constructor(evaluation: Evaluation, instantiate: Instantiate) {
    this.#evaluation = evaluation;
    this.#instantiate = instantiate;
    this.#coreModules = new CoreModules(evaluation.subject);
  }

  /** Returns what a definition of a type stands for. */
  type(scope: Scope, definition: TypeDefinition): TypeItem {
    switch (definition.kind) {
      case 'resource': {
        const destructor =
          definition.destructor === null ? null : this.#evaluation.get(scope, 'core func', definition.destructor);
        const { component } = scope;
        const id = `#${this.definers.size}`;
        this.definers.set(id, component);
        if (destructor !== null)
          this.#evaluation.expect(destructor, { params: ['i32'], results: [] }, 'the destructor of a resource');
        return { kind: 'resource', resource: { kind: 'resource', id }, host: null, destructor, component };
      }
      case 'instance type':
      case 'component type': {
        const { kind, declarations } = definition;
        // Checks the declarations; each definition of this type declares them again.
        const inner = newScope(scope, scope.component, false);
        const named = kind === 'component type' ? this.namedTypes() : null;
        this.#types += 1;
        this.#declareAll(inner, declarations, `$type ${this.#types}`, { args: null }, named);
        return { kind, declarations, scope, hasHandles: this.#withOuterResources.has(inner) };
      }
      default:
        return new TypeResolver(scope, this.#evaluation.subject).resolve(definition);
    }
  }

  /** Returns the entry that an alias takes from an instance or from an outer component. */
  alias(scope: Scope, alias: Alias): Entry {
    if (alias.of === 'core export') {
      const item = this.#evaluation.get(scope, 'core instance', alias.instance);
      const { sort, name } = alias;
      if (item.kind === 'instance') {
        const value: CoreExport = { kind: 'export', instance: item.instance, name, sort };
        this.#evaluation.coreAliases.push(value);
        return { sort, value } as Entry;
      }
      const value = item.exports.get(name);
      if (value === undefined || (value.kind === 'export' ? value.sort : 'core func') !== sort)
        throw this.#evaluation.fail(`a core instance exports no ${JSON.stringify(name.slice(0, 60))}`);
      return { sort, value } as Entry;
    }
    if (alias.of === 'export') {
      const entry = this.#evaluation.get(scope, 'instance', alias.instance).exports.get(alias.name);
      if (entry?.sort !== alias.sort)
        throw this.#evaluation.fail(
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
    if (from === null) throw this.#evaluation.fail(`there is no component ${alias.levels} levels outward`);
    if (
      alias.sort !== 'type' &&
      alias.sort !== 'component' &&
      alias.sort !== 'core module' &&
      alias.sort !== 'core type'
    )
      throw this.#evaluation.fail(`a ${alias.sort} cannot be taken from an outer component`);
    const value = this.#evaluation.get(from, alias.sort, alias.index);
    if (crosses && alias.sort === 'type' && hasResources(value as TypeItem))
      this.#evaluation.fail('a type with resources is taken from an outer component');
    if (alias.sort === 'type' && hasResources(value as TypeItem))
      for (const one of crossed) this.#withOuterResources.add(one);
    return { sort: alias.sort, value } as Entry;
  }

  /** Adds an import to the scope, and returns it: an argument after a check of its type, or what the host provides. */
  import({ scope, imports, named, args }: Importing, { name, attributes, of }: ImportDefinition): Entry {
    const given = args === null ? null : args.get(name);
    if (given === undefined)
      throw this.#evaluation.fail(`a nested component gets no ${JSON.stringify(name.slice(0, 60))}`);
    if (given !== null && given.sort !== of.kind)
      this.#evaluation.fail(`${JSON.stringify(name.slice(0, 60))} is a ${given.sort}, not a ${of.kind}`);
    const entry = this.#imported(scope, '$root', name, of, given);
    const problem = imports.add({ name, attributes }, entry);
    if (problem !== null) this.#evaluation.fail(problem);
    if (named?.add('import', entry) === false) this.#unnamed(name, 'imported');
    this.#evaluation.push(scope, entry);
    return entry;
  }

  /** Returns an empty set of types with names. */
  namedTypes(): NamedTypes {
    return new NamedTypes((type) =>
      type.kind === 'instance type' ? this.declared(type, '$root', { args: null }) : new Map(),
    );
  }

  #unnamed(name: string, what: 'imported' | 'exported'): never {
    return this.#evaluation.fail(`${JSON.stringify(name.slice(0, 60))} uses a type that is not ${what}`);
  }

  /** Returns the entry of an export: that of the definition, or one of the type that is written beside it. */
  exported(scope: Scope, named: NamedTypes | null, { name, as }: ExportDefinition, entry: Entry): Entry {
    let exported = as === null ? entry : this.#ascribed(scope, name, as, entry);
    if (exported.sort === 'type') exported = { sort: 'type', value: renamed(exported.value) };
    if (named?.add('export', exported) === false) this.#unnamed(name, 'exported');
    return exported;
  }

  /** Returns an export as the type that is written beside it shows it. */
  #ascribed(scope: Scope, name: string, as: External, entry: Entry): Entry {
    if (as.kind !== entry.sort)
      this.#evaluation.fail(`${JSON.stringify(name.slice(0, 60))} is a ${entry.sort}, not a ${as.kind}`);
    return this.#imported(scope, '$root', name, as, entry, true);
  }

  /**
   * Returns the entry for an import declared as `of`: `given` after a check against the declaration, with the declared
   * type if it `isShown`; the host's entry if `given` is null. `interfaceName` is the interface that contains the
   * declaration.
   */
  #imported(
    scope: Scope,
    interfaceName: string,
    name: string,
    of: External,
    given: Entry | null,
    isShown = false,
  ): Entry {
    if (of.kind === 'type') {
      const equal = of.equal === null ? null : this.#evaluation.get(scope, 'type', of.equal);
      if (given === null)
        return { sort: 'type', value: equal === null ? this.#hostResource(interfaceName, name) : renamed(equal) };
      this.#checkBound(name, given.value as TypeItem, equal);
      return isShown && equal?.kind === 'value' ? { sort: 'type', value: renamed(equal) } : given;
    }
    if (of.kind === 'func') {
      const declared = this.#evaluation.get(scope, 'type', of.type);
      if (declared.kind !== 'func') throw this.#evaluation.fail(`type ${of.type} is no type of a function`);
      if (given === null) return { sort: 'func', value: { kind: 'host', interfaceName, name, type: declared.type } };
      const { type } = given.value as FunctionItem;
      if (!sameFunction(type, declared.type))
        this.#evaluation.fail(
          `${name.slice(0, 60)} is a ${formatFunction(type)}, not a ${formatFunction(declared.type)}`,
        );
      if (!isShown) return given;
      return { sort: 'func', value: { ...(given.value as FunctionItem), type: declared.type } };
    }
    if (of.kind === 'instance') {
      const declared = this.#evaluation.get(scope, 'type', of.type);
      if (declared.kind !== 'instance type') throw this.#evaluation.fail(`type ${of.type} is no type of an instance`);
      const exports = this.declared(declared, name, {
        instance: given === null ? null : (given.value as InstanceItem),
        isShown,
      });
      return { sort: 'instance', value: { exports } };
    }
    if (of.kind === 'core module') {
      const declared = this.#evaluation.get(scope, 'core type', of.type);
      if ('func' in declared) throw this.#evaluation.fail(`core type ${of.type} is no type of a core module`);
      if (given !== null) {
        const module = given.value as Uint8Array | ModuleType;
        const type = module instanceof Uint8Array ? this.#coreModules.typeOf(module) : module;
        this.#evaluation.step(type.imports.size + declared.exports.size);
        const problem = moduleTypeProblem(declared, type);
        if (problem !== null) this.#evaluation.fail(problem);
        return given;
      }
      if (this.isOpen) return { sort: 'core module', value: declared };
    } else {
      const declared = this.#evaluation.get(scope, 'type', of.type);
      if (declared.kind !== 'component type') throw this.#evaluation.fail(`type ${of.type} is no type of a component`);
      if (given !== null) {
        const component = given.value as ComponentItem;
        this.#checkComponent(name, component, declared);
        const shown = component.kind === 'defined' ? { ...component, shownAs: declared } : component;
        return { sort: 'component', value: shown };
      }
      if (this.isOpen) return { sort: 'component', value: { ...declared, kind: 'declared' } };
    }
    throw unsupportedComponent(this.#evaluation.subject, `an import of a ${of.kind} (${name.slice(0, 60)})`, [
      `the platform gives a component functions, never code: put the ${of.kind} into it, as wac and wasm-tools do`,
    ]);
  }

  /**
   * Throws `module_invalid` unless the component `given` may stand where one of the type `declared` is wanted: given
   * the imports that the type has, it exports what the type exports.
   */
  #checkComponent(name: string, given: ComponentItem, declared: Declarations): void {
    const imports = new Map<string, Entry>();
    this.declared(declared, name, { args: null, imports });
    try {
      const exports =
        given.kind === 'defined' ? this.#instantiate(given, imports) : this.declared(given, name, { args: imports });
      this.declared(declared, name, { instance: { exports }, args: imports });
    } catch (error) {
      if (!(error instanceof PlatformError) || error.code !== 'module_invalid') throw error;
      this.#evaluation.fail(`the component ${JSON.stringify(name.slice(0, 60))}: ${error.details.join(' ')}`);
    }
  }

  /** Throws `module_invalid` unless `given` is a type within a bound: equal to `equal`, or a resource (null). */
  #checkBound(name: string, given: TypeItem, equal: TypeItem | null): void {
    if (equal === null) {
      if (given.kind !== 'resource') this.#evaluation.fail(`${name.slice(0, 60)} is no resource`);
      return;
    }
    const isEqual =
      given.kind === 'resource' && equal.kind === 'resource'
        ? given.resource.id === equal.resource.id
        : given.kind === 'value' && equal.kind === 'value'
          ? sameWitType(given.type, equal.type)
          : given.kind === 'func' && equal.kind === 'func'
            ? sameFunction(given.type, equal.type)
            : this.#isWithin(name, given, equal);
    if (!isEqual) this.#evaluation.fail(`the type ${name.slice(0, 60)} is not the one that is declared`);
  }

  /**
   * Returns whether two types with declarations are of one kind. Throws `module_invalid` if `given` lacks what `equal`
   * declares.
   */
  #isWithin(name: string, given: TypeItem, equal: TypeItem): boolean {
    if (given.kind === 'instance type' && equal.kind === 'instance type') {
      this.declared(equal, name, { instance: { exports: this.declared(given, name, { args: null }) } });
      return true;
    }
    if (given.kind !== 'component type' || equal.kind !== 'component type') return false;
    this.#checkComponent(name, { ...given, kind: 'declared' }, equal);
    return true;
  }

  #hostResource(interfaceName: string, name: string): ResourceItem {
    const resource = hostResource(compatibleName(interfaceName), name);
    return { kind: 'resource', resource, host: { interfaceName, name }, destructor: null, component: null };
  }

  /**
   * Evaluates the type of an instance or a component and returns the exports that it declares. Checks the instance that
   * is given against the type; null: the host provides it.
   */
  declared(type: Declarations, interfaceName: string, given: Given): ReadonlyMap<string, Entry> {
    return this.#declareAll(newScope(type.scope, type.scope.component, false), type.declarations, interfaceName, given);
  }

  #declareAll(
    scope: Scope,
    declarations: readonly Declaration[],
    interfaceName: string,
    given: Given,
    named: NamedTypes | null = null,
  ): ReadonlyMap<string, Entry> {
    const isOpen = (given.instance ?? given.args ?? null) === null;
    const exports = new Exports(this.#evaluation.subject, { isOpen });
    const into = { scope, named, exports, imports: new ExternNames('import', isOpen) };
    for (const declaration of declarations) {
      this.#evaluation.step();
      this.#declare(into, declaration, interfaceName, given);
    }
    return into.exports.entries;
  }

  #declare(
    { scope, named, exports, imports }: Declaring,
    declaration: Declaration,
    interfaceName: string,
    { instance: given = null, args = null, isShown = false, imports: into }: Given,
  ): void {
    switch (declaration.kind) {
      case 'core type':
        scope.spaces['core type'].push(this.#evaluation.coreType(scope, declaration.type));
        return;
      case 'type':
        if (declaration.type.kind === 'resource') this.#evaluation.fail('a type that declares a resource of its own');
        scope.spaces.type.push(this.type(scope, declaration.type));
        return;
      case 'alias':
        if (declaration.sort !== 'type' && declaration.sort !== 'core type' && declaration.sort !== 'instance')
          this.#evaluation.fail(`a type takes a ${declaration.sort} from elsewhere`);
        this.#evaluation.push(scope, this.alias(scope, declaration));
        return;
      case 'import':
        this.#open(() => {
          const entry = this.import({ scope, imports, named, args }, declaration);
          into?.set(declaration.name, entry);
        });
        return;
      case 'export': {
        const { name, attributes, of } = declaration;
        const actual = given === null ? null : (given.exports.get(name) ?? null);
        if (given !== null && actual?.sort !== of.kind)
          this.#evaluation.fail(`an instance lacks the ${of.kind} ${JSON.stringify(name.slice(0, 60))}`);
        const inner = of.kind === 'instance' ? `${interfaceName}/${name}` : interfaceName;
        const imported = () => this.#imported(scope, inner, of.kind === 'instance' ? inner : name, of, actual, isShown);
        const entry = given === null ? this.#open(imported) : imported();
        exports.add({ name, attributes }, entry);
        if (named?.add('export', entry) === false) this.#unnamed(name, 'exported');
        this.#evaluation.push(scope, entry);
        return;
      }
    }
  }

  /** Calls `act`, during which imports of components and core modules may stay open: nothing is made of them. */
  #open<T>(act: () => T): T {
    const before = this.isOpen;
    this.isOpen = true;
    try {
      return act();
    } finally {
      this.isOpen = before;
    }
  }
}

function hasResources(type: TypeItem): boolean {
  return type.kind === 'resource' || type.hasHandles;
}
