/**
 * The types of core modules, which nested components state for modules that they import. Only the names and kinds of
 * imports and exports are kept: the fused module checks the rest of every link.
 *
 * Spec: component-model, "Component Model Binary Format Explainer", Type Definitions, core:moduletype.
 */
import type { Module } from '../wasm/format/model.ts';
import type { ComponentReader } from './refusals.ts';

const kinds = ['function', 'table', 'memory', 'global', 'tag'] as const;
type Kind = (typeof kinds)[number];

export interface ModuleType {
  /** Kinds of imports by `module\0name`. */
  readonly imports: ReadonlyMap<string, Kind>;
  readonly exports: ReadonlyMap<string, Kind>;
}

/** Reads a type of core modules, after its first byte. `count` is called for each declaration. */
export function readModuleType(reader: ComponentReader, count: () => void): ModuleType {
  const imports = new Map<string, Kind>();
  const exports = new Map<string, Kind>();
  let types = 0;
  for (let left = reader.count('declarations'); left > 0; left -= 1) {
    count();
    const form = reader.u8('declaration');
    if (form === 0) {
      const key = `${reader.name('module name')}\0${reader.name('import name')}`;
      if (imports.has(key)) reader.fail('a type of core modules with two imports of one name');
      imports.set(key, readKind(reader, types));
    } else if (form === 1) {
      if (reader.u8('core type') !== 0x60) reader.fail('a core type that is no function', reader.pos - 1);
      skipFunction(reader);
      types += 1;
    } else if (form === 2) {
      if (reader.u8('core sort') !== 0x10 || reader.u8('alias target') !== 1)
        reader.fail('an alias of a type of core modules that is no outer type', reader.pos - 1);
      reader.u32('number of levels outward');
      reader.u32('index');
      types += 1;
    } else if (form === 3) {
      const name = reader.name('export name');
      if (exports.has(name)) reader.fail('a type of core modules with two exports of one name');
      exports.set(name, readKind(reader, types));
    } else reader.fail(`invalid declaration 0x${form.toString(16)}`, reader.pos - 1);
  }
  return { imports, exports };
}

/** Skips the type of a core function, after its first byte. */
export function skipFunction(reader: ComponentReader): void {
  for (const what of ['parameters', 'results']) reader.skip(reader.count(what), what);
}

function readKind(reader: ComponentReader, types: number): Kind {
  const offset = reader.pos;
  const byte = reader.u8('kind');
  const kind = kinds[byte];
  if (kind === undefined) return reader.fail(`invalid kind 0x${byte.toString(16)}`, offset);
  if (kind === 'tag' && reader.u8('tag') !== 0) reader.fail('invalid tag', reader.pos - 1);
  if (kind === 'function' || kind === 'tag') {
    const type = reader.u32('type index');
    if (type >= types) reader.fail(`core type ${type} does not exist`, offset);
    return kind;
  }
  if (kind === 'table' || kind === 'global') reader.u8('type');
  if (kind === 'global') {
    reader.u8('mutability');
    return kind;
  }
  const flags = reader.u8('limits');
  if (flags > 3) reader.fail('limits that are no 32-bit numbers', reader.pos - 1);
  const bounds = [reader.u32('minimum'), ...((flags & 1) === 1 ? [reader.u32('maximum')] : [])];
  if (kind === 'memory' && bounds.some((pages) => pages > 65_536))
    reader.fail('a memory of more than 65536 pages', offset);
  return kind;
}

/** Returns what makes `module` no module of `type`: an import that the type lacks, an export that the module lacks. */
export function moduleTypeProblem(type: ModuleType, module: Module): string | null {
  const has = (kind: Kind, key: string): boolean => type.imports.get(key) === kind;
  for (const { module: from, name } of module.functionImports)
    if (!has('function', `${from}\0${name}`)) return `an imported core module imports the function ${quoted(name)}`;
  for (const { module: from, name, kind } of module.otherImports)
    if (!has(kind, `${from}\0${name}`)) return `an imported core module imports the ${kind} ${quoted(name)}`;
  const found = new Map<string, string>(module.exports.map(({ name, kind }) => [name, kind]));
  for (const [name, kind] of type.exports)
    if (kind !== 'tag' && found.get(name) !== kind) return `an imported core module exports no ${kind} ${quoted(name)}`;
  return null;
}

function quoted(name: string): string {
  return JSON.stringify(name.slice(0, 60));
}
