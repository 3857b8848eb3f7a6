/** Reads all sections except the code (core specification, 5.5 Modules). Time and memory are linear in the input. */
import { PlatformError } from '../../../protocol/errors.ts';
import { emptyModule, findSection, type Module, sectionNames, sectionOrder } from './model.ts';
import { ByteReader, invalidModule } from './reader.ts';
import { readData, readDataCount } from './sections/data.ts';
import { readElements } from './sections/element.ts';
import { readExports } from './sections/export.ts';
import { readFunctions } from './sections/function.ts';
import { readGlobals } from './sections/global.ts';
import { readImports } from './sections/import.ts';
import { readMemories, refuseSeveral } from './sections/memory.ts';
import { readStart } from './sections/start.ts';
import { readTables } from './sections/table.ts';
import { readTags } from './sections/tag.ts';
import { readTypes } from './sections/type.ts';
import { RefusedHere } from './types.ts';

/** Reader of each section, by id; null: the section is not read here. */
const readers: readonly (((reader: ByteReader, module: Module) => void) | null)[] = [
  (reader) => void reader.name('custom section name'),
  readTypes,
  readImports,
  readFunctions,
  readTables,
  readMemories,
  readGlobals,
  readExports,
  readStart,
  readElements,
  null, // code: scan-code.ts
  readData,
  readDataCount,
  readTags,
];

/**
 * Returns the module. Throws `module_invalid` for a malformed module and `module_unsupported` for a component. Collects
 * uses of refused features in `refused`; after a use of unknown layout, `complete` is false. `isPart`: the module may
 * import and export exception tags, and have several memories.
 */
export function readModule(bytes: Uint8Array, subject: string, { isPart = false } = {}): Module {
  checkHeader(bytes, subject);
  const module = emptyModule(bytes, subject, isPart);
  const reader = new ByteReader(bytes, subject);
  reader.pos = 8;
  try {
    readSections(reader, module);
  } catch (error) {
    if (!(error instanceof RefusedHere)) throw error;
    module.complete = false;
  }
  return module;
}

function readSections(reader: ByteReader, module: Module): void {
  const fileEnd = reader.end;
  let rank = -1;
  while (reader.pos < fileEnd) {
    const offset = reader.pos;
    const id = reader.u8('section id');
    const size = reader.u32('section size');
    const start = reader.pos;
    const end = start + size;
    if (end > fileEnd) reader.fail(`section of ${size} bytes, but only ${fileEnd - start} bytes follow`, offset);
    const read = readers[id];
    if (read === undefined) throw reader.fail(`unknown section id ${id}`, offset);
    if (id !== 0) {
      const own = sectionOrder.indexOf(id);
      if (own === rank) reader.fail(`duplicate ${sectionNames[id]} section`, offset);
      if (own < rank) reader.fail(`${sectionNames[id]} section out of order`, offset);
      rank = own;
    }
    module.sections.push({ id, start, end, rank });
    if (read !== null) {
      reader.end = end;
      read(reader, module);
      if (id === 2) refuseSeveral(reader, module);
      if (id !== 0 && reader.pos !== end)
        reader.fail(`${end - reader.pos} bytes left over in the ${sectionNames[id]} section`);
      reader.end = fileEnd;
    }
    reader.pos = end;
  }
  const defined = module.functionTypes.length - module.functionImports.length;
  if (defined > 0 && findSection(module, 10) === undefined)
    reader.fail(`${defined} functions declared, but there is no code section`);
  if (module.dataCount !== null && module.dataCount > 0 && findSection(module, 11) === undefined)
    reader.fail(`data count ${module.dataCount}, but there is no data section`);
}

function checkHeader(bytes: Uint8Array, subject: string): void {
  const hex = (start: number) =>
    [...bytes.subarray(start, start + 4)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
  const refuseHeader = (problem: string, offset: number) => {
    const error = invalidModule(subject, problem, offset);
    throw new PlatformError('module_invalid', error.message, { details: error.details, hints: guessFormat(bytes) });
  };
  if (bytes.length === 0) throw refuseHeader('the file is empty', 0);
  if (hex(0) !== '00 61 73 6d') throw refuseHeader(`expected magic word 00 61 73 6d, found ${hex(0)}`, 0);
  if (hex(4) === '0d 00 01 00')
    throw new PlatformError('module_unsupported', `${subject} is a WebAssembly component, not a module`, {
      details: ['version 0d 00 01 00 @+4'],
      hints: ['a core module was expected here'],
    });
  if (hex(4) !== '01 00 00 00') throw refuseHeader(`expected version 01 00 00 00, found ${hex(4)}`, 4);
}

/** Returns hints about the likely format of a file that is no module. */
function guessFormat(bytes: Uint8Array): string[] {
  const head = Buffer.from(bytes.subarray(0, 256)).toString('latin1');
  const shown = JSON.stringify(head.slice(0, 4).replace(/[^\x20-\x7e]/g, '.'));
  const looksLike = (what: string) => `the file starts with ${shown}: this looks like ${what}`;
  if (head.startsWith('version https://git-lfs'))
    return [
      'this is a Git LFS pointer, not the file itself',
      'push the real file: git lfs migrate export --include="*.wasm"',
    ];
  if (/^\s*<(!doctype|!--|html|head|\?xml)/i.test(head)) return [looksLike('HTML')];
  if (/^\s*(\(|;;)/.test(head)) return [looksLike('the text format (.wat); push the binary, or name the file .wat')];
  if (head.startsWith('\x1f\x8b')) return [looksLike('a gzip file; push it unpacked')];
  if (head.startsWith('PK')) return [looksLike('a zip file; push it unpacked')];
  if (/^(\x89PNG|\xff\xd8\xff|GIF8)/.test(head)) return [looksLike('a picture')];
  if (head.startsWith('\x7fELF')) return [looksLike('a native Linux program; build for wasm32')];
  if (head.startsWith('BC\xc0\xde')) return [looksLike('LLVM bitcode; link it to a .wasm')];
  return [];
}
