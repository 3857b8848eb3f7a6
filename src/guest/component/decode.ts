/**
 * Decodes a component into its definitions. Checks the form of the file; evaluate.ts checks that indices exist. Takes
 * time linear in the size of the file. Errors: `module_invalid`, `module_unsupported` (value definitions, instructions
 * of proposals that are not finished), `module_too_large`.
 *
 * Spec: component-model, "Component Model Binary Format Explainer".
 */
import { componentCaps } from './caps.ts';
import { readCanon } from './decode-canon.ts';
import { readAlias, readCoreType, readExternal, readType } from './decode-types.ts';
import { DefinitionReader } from './definition-reader.ts';
import type { Definition } from './model.ts';
import { isComponent } from './recognise.ts';
import { tooLargeComponent, unsupportedComponent } from './refusals.ts';

/** Returns the definitions of a component. `subject` names the component in messages. */
export function decodeComponent(bytes: Uint8Array, subject: string): readonly Definition[] {
  const reader = new DefinitionReader(bytes, subject);
  return new Decoder(reader).component(0);
}

/** Version of the binary format, two bytes; the layer, which follows in two more, is 1 for components. */
const version = 0x0d;

class Decoder {
  readonly #reader: DefinitionReader;

  constructor(reader: DefinitionReader) {
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
    const [low, high, , layer] = reader.bytes.subarray(start + 4, start + 8);
    if (low !== version || high !== 0 || layer !== 0)
      reader.fail(`version ${low} of the component format, not ${version}`, start + 4);
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
      reader.countOne();
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
        each('core types', () => readCoreType(reader));
        break;
      case 4:
        add({ kind: 'component', definitions: this.component(depth + 1) });
        break;
      case 5:
        each('instances', () => this.#instance());
        break;
      case 6:
        each('aliases', () => readAlias(reader));
        break;
      case 7:
        each('types', () => ({ kind: 'type', type: readType(reader, 0) }));
        break;
      case 8:
        each('canonical functions', () => ({ kind: 'canon', canon: readCanon(reader) }));
        break;
      case 9:
        throw unsupportedComponent(reader.subject, 'a start function of a component');
      case 10:
        each('imports', () => ({ kind: 'import', ...reader.externalName(), of: readExternal(reader) }));
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
    const reader = this.#reader;
    const named = reader.named(reader.externalName());
    return { kind: 'export', ...named, as: reader.optional() ? readExternal(reader) : null };
  }

  #coreInstance(): Definition {
    const reader = this.#reader;
    const form = reader.u8('core instance');
    if (form === 0) {
      return {
        kind: 'core instance',
        module: reader.u32('module index'),
        args: reader.list('arguments', () => {
          const name = reader.name('argument name');
          if (reader.u8('argument sort') !== 0x12) reader.fail('a core module takes instances only', reader.pos - 1);
          return { name, instance: reader.u32('instance index') };
        }),
      };
    }
    if (form !== 1) reader.fail(`invalid core instance 0x${form.toString(16)}`, reader.pos - 1);
    return {
      kind: 'core bundle',
      exports: reader.list('exports', () => ({
        name: reader.name('export name'),
        attributes: null,
        sort: reader.coreSort(),
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
        args: reader.list('arguments', () => reader.named({ name: reader.name('argument name'), attributes: null })),
      };
    }
    if (form !== 1) reader.fail(`invalid instance 0x${form.toString(16)}`, reader.pos - 1);
    return { kind: 'bundle', exports: reader.list('exports', () => reader.named(reader.externalName())) };
  }
}
