/**
 * Decodes types, aliases and the declarations that types of components and instances consist of. Errors:
 * `module_invalid`, `module_unsupported`, `module_too_large`.
 */
import { componentCaps } from './caps.ts';
import { type DefinitionReader, primitiveOf } from './definition-reader.ts';
import type { Alias, CoreSort, Declaration, Definition, External, LabelledRef, Sort, TypeDefinition } from './model.ts';
import { readFunction, readModuleType } from './module-type.ts';
import { tooLargeComponent, unsupportedComponent } from './refusals.ts';

/** Reads a type. `depth` is the number of types with declarations around it. */
export function readType(reader: DefinitionReader, depth: number): TypeDefinition {
  const offset = reader.pos;
  const form = reader.u8('type');
  const labelled = (what: string) =>
    reader.list(what, (): LabelledRef => ({ name: reader.name('label'), type: reader.typeRef() }));
  const labels = () => reader.list('labels', () => reader.name('label'));
  switch (form) {
    case 0x72:
      return { kind: 'record', members: labelled('fields') };
    case 0x71:
      return {
        kind: 'variant',
        members: reader.list('cases', () => {
          const member = { name: reader.name('label'), type: reader.optionalType() };
          // This byte says whether an index follows: that of the case that this case refines. The format has dropped
          // such cases and keeps the byte.
          if (reader.optional()) reader.fail('a case that refines another', reader.pos - 1);
          return member;
        }),
      };
    case 0x70:
      return { kind: 'list', of: reader.typeRef(), length: null };
    case 0x63:
      throw unsupportedComponent(reader.subject, 'the type map');
    case 0x67:
      return { kind: 'list', of: reader.typeRef(), length: reader.u32('list length') };
    case 0x6f:
      return { kind: 'tuple', of: reader.list('tuple types', () => reader.typeRef()) };
    case 0x6e:
      return { kind: 'flags', labels: labels() };
    case 0x6d:
      return { kind: 'enum', labels: labels() };
    case 0x6b:
      return { kind: 'option', of: reader.typeRef() };
    case 0x6a:
      return { kind: 'result', ok: reader.optionalType(), err: reader.optionalType() };
    case 0x69:
      return { kind: 'own', resource: reader.u32('type index') };
    case 0x68:
      return { kind: 'borrow', resource: reader.u32('type index') };
    case 0x66:
      return { kind: 'stream', of: reader.optionalType() };
    case 0x65:
      return { kind: 'future', of: reader.optionalType() };
    case 0x40:
    case 0x43: {
      const params = labelled('parameters');
      const named = reader.u8('result');
      if (named > 1 || (named === 1 && reader.u8('named results') !== 0))
        throw unsupportedComponent(reader.subject, 'a function with named results');
      return { kind: 'func', params, result: named === 0 ? reader.typeRef() : null, async: form === 0x43 };
    }
    case 0x3f: {
      const representation = reader.u8('representation');
      if (representation === 0x7e) throw unsupportedComponent(reader.subject, 'a resource of 64 bits');
      if (representation !== 0x7f) reader.fail('a resource that is no i32', reader.pos - 1);
      return { kind: 'resource', destructor: reader.optional() ? reader.u32('function index') : null };
    }
    case 0x41:
    case 0x42: {
      if (depth >= componentCaps.nesting)
        throw tooLargeComponent(reader.subject, 'types within types', componentCaps.nesting);
      const isComponentType = form === 0x41;
      const declarations = reader.list('declarations', () => readDeclaration(reader, isComponentType, depth));
      return { kind: isComponentType ? 'component type' : 'instance type', declarations };
    }
    default: {
      const primitive = primitiveOf[form];
      if (primitive === undefined) return reader.fail(`invalid type 0x${form.toString(16)}`, offset);
      return { kind: 'primitive', type: primitive };
    }
  }
}

function readDeclaration(reader: DefinitionReader, ofComponent: boolean, depth: number): Declaration {
  const form = reader.u8('declaration');
  if (form === 0) return readCoreType(reader);
  if (form === 1) return { kind: 'type', type: readType(reader, depth + 1) };
  if (form === 2) return readAlias(reader);
  if (form === 4 || (form === 3 && ofComponent))
    return { kind: form === 4 ? 'export' : 'import', ...reader.externalName(), of: readExternal(reader) };
  return reader.fail(`invalid declaration 0x${form.toString(16)}`, reader.pos - 1);
}

/** Reads the type of a core module or a core function. Nothing uses other core types. */
export function readCoreType(reader: DefinitionReader): Definition & Declaration {
  const form = reader.u8('core type');
  if (form === 0x50) return { kind: 'core type', type: readModuleType(reader, () => reader.countOne()) };
  if (form !== 0x60) throw unsupportedComponent(reader.subject, 'a core type that is no function');
  return { kind: 'core type', type: { func: readFunction(reader) } };
}

/** Reads the type of an import or export. */
export function readExternal(reader: DefinitionReader): External {
  const form = reader.u8('type of an import or export');
  switch (form) {
    case 0:
      if (reader.u8('core sort') !== 0x11) reader.fail('a core module was expected', reader.pos - 1);
      return { kind: 'core module', type: reader.u32('type index') };
    case 1:
      return { kind: 'func', type: reader.u32('type index') };
    case 2:
      throw unsupportedComponent(reader.subject, 'value definitions');
    case 3: {
      const bound = reader.u8('type bound');
      if (bound > 1) reader.fail(`invalid type bound 0x${bound.toString(16)}`, reader.pos - 1);
      return { kind: 'type', equal: bound === 0 ? reader.u32('type index') : null };
    }
    case 4:
      return { kind: 'component', type: reader.u32('type index') };
    case 5:
      return { kind: 'instance', type: reader.u32('type index') };
    default:
      return reader.fail(`invalid type of an import or export 0x${form.toString(16)}`, reader.pos - 1);
  }
}

/** Reads an alias: of an export of an instance or core instance, or of a definition of an enclosing component. */
export function readAlias(reader: DefinitionReader): Alias {
  const sort = reader.sort();
  const target = reader.u8('alias target');
  if (target === 0)
    return {
      kind: 'alias',
      sort,
      of: 'export',
      instance: reader.u32('instance index'),
      name: reader.name('export name'),
    };
  if (target === 1) {
    if (!isCoreSort(sort)) throw reader.fail(`a core instance exports no ${sort}`, reader.pos - 1);
    return {
      kind: 'alias',
      sort,
      of: 'core export',
      instance: reader.u32('instance index'),
      name: reader.name('export name'),
    };
  }
  if (target !== 2) reader.fail(`invalid alias target 0x${target.toString(16)}`, reader.pos - 1);
  return {
    kind: 'alias',
    sort,
    of: 'outer',
    levels: reader.u32('number of components outward'),
    index: reader.u32('index'),
  };
}

function isCoreSort(sort: Sort): sort is CoreSort {
  return sort.startsWith('core ');
}
