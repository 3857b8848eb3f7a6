/** Reads what definitions of a component have in common: names, sorts, references to types, lists. */
import { componentCaps } from './caps.ts';
import type { CoreSort, ExternName, Named, Sort, TypeRef } from './model.ts';
import { ComponentReader, tooLargeComponent, unsupportedComponent } from './refusals.ts';
import type { PrimitiveType } from './wit.ts';

export class DefinitionReader extends ComponentReader {
  #definitions = 0;

  /** Reads the name of an import or export, with its attributes; those of other tools (`external-id`) are skipped. */
  externalName(): ExternName {
    const form = this.u8('name');
    if (form > 2) this.fail(`invalid form of a name 0x${form.toString(16)}`, this.pos - 1);
    const name = this.name('name');
    if (form !== 2) return { name, attributes: null };
    const found: (string | null)[] = [null, null, null];
    this.list('attributes of a name', () => {
      const kind = this.u8('attribute');
      if (kind > 2 || found[kind] !== null)
        this.fail('an attribute of a name that is unknown, or there twice', this.pos - 1);
      found[kind] = this.name('attribute');
    });
    const [implemented = null, versionSuffix = null] = found;
    return { name, attributes: { implements: implemented, versionSuffix } };
  }

  /** Reads what the definition `name` is: its sort and index. */
  named(name: ExternName): Named {
    return { ...name, sort: this.sort(), index: this.u32('index') };
  }

  /** Reads a sort. Throws `module_unsupported` for values. */
  sort(): Sort {
    const byte = this.u8('sort');
    if (byte === 0) return this.coreSort();
    if (byte === 2) throw unsupportedComponent(this.subject, 'value definitions');
    return sortOf[byte] ?? this.fail(`invalid sort 0x${byte.toString(16)}`, this.pos - 1);
  }

  coreSort(): CoreSort {
    const byte = this.u8('core sort');
    const sort = coreSortOf[byte];
    return sort ?? this.fail(`invalid core sort 0x${byte.toString(16)}`, this.pos - 1);
  }

  /** Reads a value type: a primitive one, or the index of a type. */
  typeRef(): TypeRef {
    const offset = this.pos;
    const value = this.s33('type');
    if (value >= 0) return value;
    return primitiveOf[value + 0x80] ?? this.fail(`invalid type 0x${(value + 0x80).toString(16)}`, offset);
  }

  optionalType(): TypeRef | null {
    return this.optional() ? this.typeRef() : null;
  }

  /** Reads whether something follows. */
  optional(): boolean {
    const flag = this.u8('option');
    if (flag > 1) this.fail(`invalid option 0x${flag.toString(16)}`, this.pos - 1);
    return flag === 1;
  }

  /** Reads a list; each item counts as a definition. `what` names it in messages. */
  list<T>(what: string, read: () => T): T[] {
    const items: T[] = [];
    for (let left = this.count(what); left > 0; left -= 1) {
      this.countOne();
      items.push(read());
    }
    return items;
  }

  /** Counts a definition. Throws `module_too_large` beyond componentCaps.definitions. */
  countOne(): void {
    this.#definitions += 1;
    if (this.#definitions > componentCaps.definitions)
      throw tooLargeComponent(this.subject, 'definitions', componentCaps.definitions);
  }
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

/** Primitive types by their codes. */
export const primitiveOf: Readonly<Record<number, PrimitiveType>> = {
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
