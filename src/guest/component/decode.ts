/**
 * Decodes a component into its definitions. Checks the form of the file; evaluate.ts checks that indices exist. Takes
 * time linear in the size of the file. Errors: `module_invalid`, `module_unsupported` (value definitions, instructions
 * of proposals that are not finished), `module_too_large`.
 *
 * Spec: component-model, "Component Model Binary Format Explainer".
 */
import { componentCaps } from './caps.ts';
import type {
  Alias,
  Canon,
  CanonOptions,
  CoreSort,
  Declaration,
  Definition,
  External,
  LabelledRef,
  Named,
  PlainOperation,
  Sort,
  StreamOperation,
  TypeDefinition,
  TypeRef,
} from './model.ts';
import { readModuleType, skipFunction } from './module-type.ts';
import { isComponent } from './recognise.ts';
import { ComponentReader, tooLargeComponent, unsupportedComponent } from './refusals.ts';
import { type PrimitiveType, type TextEncoding, textEncodings } from './wit.ts';

/** Returns the definitions of a component. `subject` names the component in messages. */
export function decodeComponent(bytes: Uint8Array, subject: string): readonly Definition[] {
  const reader = new ComponentReader(bytes, subject);
  return new Decoder(reader).component(0);
}

/** Version of the binary format; the layer byte, which follows in the file, is 1 for components. */
const version = 0x0d;

class Decoder {
  readonly #reader: ComponentReader;
  #definitions = 0;

  constructor(reader: ComponentReader) {
    this.#reader = reader;
  }

  /** Reads a component from its magic number to the end of the reader. */
  component(depth: number): Definition[] {
    const reader = this.#reader;
    if (depth > componentCaps.nesting)
      throw tooLargeComponent(reader.subject, 'components within components', componentCaps.nesting);
    const start = reader.pos;
    if (reader.end - start < 8 || !isComponent(reader.bytes.subarray(start, reader.end)))
      reader.fail('no component begins here', start);
    if (reader.bytes[start + 4] !== version || reader.bytes[start + 5] !== 0)
      reader.fail(`version ${reader.bytes[start + 4]} of the component format, not ${version}`, start + 4);
    reader.pos = start + 8;
    const definitions: Definition[] = [];
    const end = reader.end;
    while (reader.pos < end) {
      const offset = reader.pos;
      const id = reader.u8('section id');
      const size = reader.u32('section size');
      if (size > end - reader.pos) reader.fail(`section of ${size} bytes, but only ${end - reader.pos} follow`, offset);
      reader.end = reader.pos + size;
      this.#section(id, offset, definitions, depth);
      if (reader.pos !== reader.end) reader.fail(`${reader.end - reader.pos} bytes left over in section ${id}`);
      reader.end = end;
    }
    return definitions;
  }

  #section(id: number, offset: number, definitions: Definition[], depth: number): void {
    const reader = this.#reader;
    const add = (definition: Definition): void => {
      this.#count();
      definitions.push(definition);
    };
    const each = (what: string, read: () => Definition): void => {
      for (let left = reader.count(what); left > 0; left -= 1) add(read());
    };
    switch (id) {
      case 0:
        reader.name('custom section name');
        reader.pos = reader.end;
        break;
      case 1:
        add({ kind: 'core module', bytes: reader.bytes.subarray(reader.pos, reader.end) });
        reader.pos = reader.end;
        break;
      case 2:
        each('core instances', () => this.#coreInstance());
        break;
      case 3:
        each('core types', () => this.#coreType());
        break;
      case 4:
        add({ kind: 'component', definitions: this.component(depth + 1) });
        break;
      case 5:
        each('instances', () => this.#instance());
        break;
      case 6:
        each('aliases', () => this.#alias());
        break;
      case 7:
        each('types', () => ({ kind: 'type', type: this.#type(0) }));
        break;
      case 8:
        each('canonical functions', () => ({ kind: 'canon', canon: this.#canon() }));
        break;
      case 9:
        throw unsupportedComponent(reader.subject, 'a start function of a component');
      case 10:
        each('imports', () => ({ kind: 'import', name: this.#externalName(), of: this.#external() }));
        break;
      case 11:
        each('exports', () => this.#export());
        break;
      case 12:
        throw unsupportedComponent(reader.subject, 'value definitions');
      default:
        reader.fail(`unknown section id ${id}`, offset);
    }
  }

  #export(): Definition {
    const named = this.#named(this.#externalName());
    return { kind: 'export', ...named, as: this.#optional() ? this.#external() : null };
  }

  #count(): void {
    this.#definitions += 1;
    if (this.#definitions > componentCaps.definitions)
      throw tooLargeComponent(this.#reader.subject, 'definitions', componentCaps.definitions);
  }

  #list<T>(what: string, read: () => T): T[] {
    const items: T[] = [];
    for (let left = this.#reader.count(what); left > 0; left -= 1) {
      this.#count();
      items.push(read());
    }
    return items;
  }

  #optional(): boolean {
    const reader = this.#reader;
    const flag = reader.u8('option');
    if (flag > 1) reader.fail(`invalid option 0x${flag.toString(16)}`, reader.pos - 1);
    return flag === 1;
  }

  #coreInstance(): Definition {
    const reader = this.#reader;
    const form = reader.u8('core instance');
    if (form === 0) {
      return {
        kind: 'core instance',
        module: reader.u32('module index'),
        args: this.#list('arguments', () => {
          const name = reader.name('argument name');
          if (reader.u8('argument sort') !== 0x12) reader.fail('a core module takes instances only', reader.pos - 1);
          return { name, instance: reader.u32('instance index') };
        }),
      };
    }
    if (form !== 1) reader.fail(`invalid core instance 0x${form.toString(16)}`, reader.pos - 1);
    return {
      kind: 'core bundle',
      exports: this.#list('exports', () => ({
        name: reader.name('export name'),
        sort: this.#coreSort(),
        index: reader.u32('index'),
      })),
    };
  }

  #instance(): Definition {
    const reader = this.#reader;
    const form = reader.u8('instance');
    if (form === 0) {
      return {
        kind: 'instance',
        component: reader.u32('component index'),
        args: this.#list('arguments', () => this.#named(reader.name('argument name'))),
      };
    }
    if (form !== 1) reader.fail(`invalid instance 0x${form.toString(16)}`, reader.pos - 1);
    return { kind: 'bundle', exports: this.#list('exports', () => this.#named(this.#externalName())) };
  }

  #named(name: string): Named {
    return { name, sort: this.#sort(), index: this.#reader.u32('index') };
  }

  #coreSort(): CoreSort {
    const reader = this.#reader;
    const byte = reader.u8('core sort');
    const sort = coreSortOf[byte];
    return sort ?? reader.fail(`invalid core sort 0x${byte.toString(16)}`, reader.pos - 1);
  }

  #sort(): Sort {
    const reader = this.#reader;
    const byte = reader.u8('sort');
    if (byte === 0) return this.#coreSort();
    if (byte === 2) throw unsupportedComponent(reader.subject, 'value definitions');
    return sortOf[byte] ?? reader.fail(`invalid sort 0x${byte.toString(16)}`, reader.pos - 1);
  }

  /** Reads the name of an import or export. Skips a version and other attributes of the name. */
  #externalName(): string {
    const reader = this.#reader;
    const form = reader.u8('name');
    if (form > 2) reader.fail(`invalid form of a name 0x${form.toString(16)}`, reader.pos - 1);
    const name = reader.name('name');
    if (form === 2) {
      this.#list('attributes of a name', () => {
        reader.u8('attribute');
        reader.name('attribute');
      });
    }
    return name;
  }

  #external(): External {
    const reader = this.#reader;
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

  #alias(): Alias {
    const reader = this.#reader;
    const sort = this.#sort();
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

  /** Reads the type of a core module, and skips that of a core function. Nothing uses other core types. */
  #coreType(): Definition & Declaration {
    const reader = this.#reader;
    const form = reader.u8('core type');
    if (form === 0x50) return { kind: 'core type', module: readModuleType(reader, () => this.#count()) };
    if (form !== 0x60) throw unsupportedComponent(reader.subject, 'a core type that is no function');
    skipFunction(reader);
    return { kind: 'core type', module: null };
  }

  #typeRef(): TypeRef {
    const reader = this.#reader;
    const offset = reader.pos;
    const value = reader.s33('type');
    if (value >= 0) return value;
    return primitiveOf[value + 0x80] ?? reader.fail(`invalid type 0x${(value + 0x80).toString(16)}`, offset);
  }

  #optionalType(): TypeRef | null {
    return this.#optional() ? this.#typeRef() : null;
  }

  #type(depth: number): TypeDefinition {
    const reader = this.#reader;
    const offset = reader.pos;
    const form = reader.u8('type');
    const labelled = (what: string) =>
      this.#list(what, (): LabelledRef => ({ name: reader.name('label'), type: this.#typeRef() }));
    const labels = () => this.#list('labels', () => reader.name('label'));
    switch (form) {
      case 0x72:
        return { kind: 'record', members: labelled('fields') };
      case 0x71:
        return {
          kind: 'variant',
          members: this.#list('cases', () => {
            const member = { name: reader.name('label'), type: this.#optionalType() };
            // This byte says whether an index follows: that of the case that this case refines. The format has dropped
            // such cases and keeps the byte.
            if (this.#optional()) reader.fail('a case that refines another', reader.pos - 1);
            return member;
          }),
        };
      case 0x70:
        return { kind: 'list', of: this.#typeRef(), length: null };
      case 0x67:
        return { kind: 'list', of: this.#typeRef(), length: reader.u32('list length') };
      case 0x6f:
        return { kind: 'tuple', of: this.#list('tuple types', () => this.#typeRef()) };
      case 0x6e:
        return { kind: 'flags', labels: labels() };
      case 0x6d:
        return { kind: 'enum', labels: labels() };
      case 0x6b:
        return { kind: 'option', of: this.#typeRef() };
      case 0x6a:
        return { kind: 'result', ok: this.#optionalType(), err: this.#optionalType() };
      case 0x69:
        return { kind: 'own', resource: reader.u32('type index') };
      case 0x68:
        return { kind: 'borrow', resource: reader.u32('type index') };
      case 0x66:
        return { kind: 'stream', of: this.#optionalType() };
      case 0x65:
        return { kind: 'future', of: this.#optionalType() };
      case 0x40:
      case 0x43: {
        const params = labelled('parameters');
        const named = reader.u8('result');
        if (named > 1 || (named === 1 && reader.u8('named results') !== 0))
          throw unsupportedComponent(reader.subject, 'a function with named results');
        return { kind: 'func', params, result: named === 0 ? this.#typeRef() : null, async: form === 0x43 };
      }
      case 0x3f: {
        if (reader.u8('representation') !== 0x7f) reader.fail('a resource that is no i32', reader.pos - 1);
        return { kind: 'resource', destructor: this.#optional() ? reader.u32('function index') : null };
      }
      case 0x41:
      case 0x42: {
        if (depth >= componentCaps.nesting)
          throw tooLargeComponent(reader.subject, 'types within types', componentCaps.nesting);
        const isComponentType = form === 0x41;
        const declarations = this.#list('declarations', () => this.#declaration(isComponentType, depth));
        return { kind: isComponentType ? 'component type' : 'instance type', declarations };
      }
      default: {
        const primitive = primitiveOf[form];
        if (primitive === undefined) return reader.fail(`invalid type 0x${form.toString(16)}`, offset);
        return { kind: 'primitive', type: primitive };
      }
    }
  }

  #declaration(ofComponent: boolean, depth: number): Declaration {
    const reader = this.#reader;
    const form = reader.u8('declaration');
    if (form === 0) return this.#coreType();
    if (form === 1) return { kind: 'type', type: this.#type(depth + 1) };
    if (form === 2) return this.#alias();
    if (form === 4 || (form === 3 && ofComponent))
      return { kind: form === 4 ? 'export' : 'import', name: this.#externalName(), of: this.#external() };
    return reader.fail(`invalid declaration 0x${form.toString(16)}`, reader.pos - 1);
  }

  /** Reads the options of a canonical function. Each may be there once; `of` says which may be there. */
  #options(of: 'lift' | 'lower' | 'other'): CanonOptions {
    const reader = this.#reader;
    const seen = new Set<number>();
    const options = {
      encoding: 'utf8' as TextEncoding,
      memory: null as number | null,
      realloc: null as number | null,
      postReturn: null as number | null,
      async: false,
      callback: null as number | null,
    };
    this.#list('options', () => {
      const option = reader.u8('option');
      const slot = Math.max(option, 2);
      if (seen.has(slot)) reader.fail('an option of a canonical function is there twice', reader.pos - 1);
      seen.add(slot);
      if ((option === 5 || option === 7) && of !== 'lift')
        reader.fail(`${option === 5 ? 'post-return' : 'callback'} of a function that is not lifted`, reader.pos - 1);
      if (option <= 2) options.encoding = textEncodings[option] ?? 'utf8';
      else if (option === 3) options.memory = reader.u32('memory index');
      else if (option === 4) options.realloc = reader.u32('function index');
      else if (option === 5) options.postReturn = reader.u32('function index');
      else if (option === 6) options.async = true;
      else if (option === 7) options.callback = reader.u32('function index');
      else reader.fail(`invalid option 0x${option.toString(16)} of a canonical function`, reader.pos - 1);
    });
    if (options.realloc !== null && options.memory === null) reader.fail('the option realloc without a memory');
    if (options.callback !== null && !options.async) reader.fail('the option callback without async');
    if (options.postReturn !== null && options.async) reader.fail('the options post-return and async together');
    return options;
  }

  #canon(): Canon {
    const reader = this.#reader;
    const offset = reader.pos;
    const code = reader.u8('canonical function');
    const zero = (): void => {
      if (reader.u8('0x00') !== 0) reader.fail('0x00 was expected', reader.pos - 1);
    };
    const plain = plainOf[code];
    if (plain !== undefined) {
      const isAsync = (plain === 'subtask.cancel' || plain === 'thread.yield') && reader.u8('async') === 1;
      return plain === 'subtask.cancel' ? { op: plain, async: isAsync } : { op: plain };
    }
    const stream = streamOf[code];
    if (stream !== undefined) {
      const type = reader.u32('type index');
      const takesOptions = /\.(read|write)$/.test(stream);
      const isCancel = stream.includes('cancel');
      const async = isCancel && reader.u8('async') === 1;
      return { op: stream, type, options: takesOptions ? this.#options('other') : null, async };
    }
    switch (code) {
      case 0x00: {
        zero();
        const func = reader.u32('function index');
        const options = this.#options('lift');
        return { op: 'lift', func, options, type: reader.u32('type index') };
      }
      case 0x01:
        zero();
        return { op: 'lower', func: reader.u32('function index'), options: this.#options('lower') };
      case 0x02:
        return { op: 'resource.new', type: reader.u32('type index') };
      case 0x03:
      case 0x07:
        return { op: 'resource.drop', type: reader.u32('type index') };
      case 0x04:
        return { op: 'resource.rep', type: reader.u32('type index') };
      case 0x09: {
        const named = reader.u8('result');
        if (named > 1) reader.fail(`invalid result 0x${named.toString(16)}`, reader.pos - 1);
        if (named === 1) zero();
        return { op: 'task.return', result: named === 0 ? this.#typeRef() : null, options: this.#options('other') };
      }
      case 0x0a:
      case 0x0b:
        if (reader.u8('type') !== 0x7f) reader.fail('a context that is no i32', reader.pos - 1);
        return { op: code === 0x0a ? 'context.get' : 'context.set', slot: reader.u32('slot') };
      case 0x1c:
        return { op: 'error-context.new', options: this.#options('other') };
      case 0x1d:
        return { op: 'error-context.debug-message', options: this.#options('other') };
      case 0x20:
      case 0x21:
        reader.u8('async');
        return { op: code === 0x20 ? 'waitable-set.wait' : 'waitable-set.poll', memory: reader.u32('memory index') };
      default:
        throw unsupportedComponent(reader.subject, `canonical function 0x${code.toString(16)} (@+${offset})`);
    }
  }
}

export function isCoreSort(sort: Sort): sort is CoreSort {
  return sort.startsWith('core ');
}

const coreSortOf: Readonly<Record<number, CoreSort>> = {
  0: 'core func',
  1: 'core table',
  2: 'core memory',
  3: 'core global',
  4: 'core tag',
  16: 'core type',
  17: 'core module',
  18: 'core instance',
};

const sortOf: Readonly<Record<number, Sort>> = { 1: 'func', 3: 'type', 4: 'component', 5: 'instance' };

const primitiveOf: Readonly<Record<number, PrimitiveType>> = {
  127: 'bool',
  126: 's8',
  125: 'u8',
  124: 's16',
  123: 'u16',
  122: 's32',
  121: 'u32',
  120: 's64',
  119: 'u64',
  118: 'f32',
  117: 'f64',
  116: 'char',
  115: 'string',
  100: 'error-context',
};

const plainOf: Readonly<Record<number, PlainOperation | 'subtask.cancel'>> = {
  5: 'task.cancel',
  6: 'subtask.cancel',
  8: 'backpressure.set',
  12: 'thread.yield',
  13: 'subtask.drop',
  30: 'error-context.drop',
  31: 'waitable-set.new',
  34: 'waitable-set.drop',
  35: 'waitable.join',
  36: 'backpressure.inc',
  37: 'backpressure.dec',
};

const streamOf: Readonly<Record<number, StreamOperation>> = Object.fromEntries(
  (['stream', 'future'] as const).flatMap((kind, index) =>
    (['new', 'read', 'write', 'cancel-read', 'cancel-write', 'drop-readable', 'drop-writable'] as const).map(
      (operation, place) => [0x0e + 7 * index + place, `${kind}.${operation}` as const],
    ),
  ),
);
