/** Reads the line number programs of DWARF 2 to 5 (DWARF 5, 6.2) in their 32-bit and 64-bit forms (7.4). */
import { type SourceRows, sourceLineLimits } from './rows.ts';

export interface DwarfSections {
  readonly line: Uint8Array;
  readonly str: Uint8Array | undefined;
  readonly lineStr: Uint8Array | undefined;
}

/** Bytes of line programs that are read, so that their time is bounded. */
const lineBytesMax = 32 * 1024 * 1024;
/** The first four bytes of a unit in the 64-bit form. */
const dwarf64 = 0xffff_ffff;
/** Names of files that are looked up, over all units. */
const lookUpsMax = 65_536;

/**
 * Adds the rows of all units. Addresses are offsets in the payload of the code section (DWARF for WebAssembly). Of a
 * unit that makes no sense it keeps the rows before the malformed place. Never throws.
 */
export function dwarfLines(sections: DwarfSections, rows: SourceRows): void {
  const line = sections.line.subarray(0, lineBytesMax);
  const view = new DataView(line.buffer, line.byteOffset, line.byteLength);
  const budget = { lookUps: lookUpsMax };
  for (let pos = 0; pos + 4 <= line.length && !rows.isFull; ) {
    const length = view.getUint32(pos, true);
    const is64 = length === dwarf64;
    // Other values from 0xfffffff0 on are reserved.
    if (length >= 0xffff_fff0 && !is64) return;
    if (is64 && pos + 12 > line.length) return;
    const start = pos + (is64 ? 12 : 4);
    const next = start + (is64 ? Number(view.getBigUint64(pos + 4, true)) : length);
    try {
      const unit = new Cursor(line.subarray(0, next), { pos: start, is64 });
      const header = readHeader(unit, sections);
      if (header !== null) runProgram(unit, header, rows, budget);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
    }
    pos = next;
  }
}

interface Header {
  readonly version: number;
  readonly instructionBytes: number;
  /** Changes of the line number by special opcodes (DWARF 5, 6.2.4): the smallest one, and how many there are. */
  readonly lineBase: number;
  readonly lineRange: number;
  /** Operands of the standard opcodes, by opcode; the first entry stands for none. */
  readonly operands: Uint8Array;
  readonly directories: readonly Name[];
  readonly files: FileEntry[];
}

interface FileEntry {
  readonly name: Name;
  /** Index of the directory in the header's list. */
  readonly directory: number;
}

/** A name, or a function that looks it up: many entries may name one long text. */
type Name = string | (() => string);

/** Returns the header of a unit, with the cursor at its program; null for one of another form. */
function readHeader(unit: Cursor, sections: DwarfSections): Header | null {
  const version = unit.u16();
  if (version < 2 || version > 5) return null;
  // Address size and segment selector size.
  if (version === 5 && (unit.u8() !== 4 || unit.u8() !== 0)) return null;
  const headerBytes = unit.offset();
  const program = unit.pos + headerBytes;
  const instructionBytes = unit.u8();
  // Operations of one instruction: only VLIW machines have several.
  if (version >= 4 && unit.u8() > 1) return null;
  unit.u8(); // default_is_stmt
  const lineBase = (unit.u8() << 24) >> 24;
  const lineRange = unit.u8();
  const operands = new Uint8Array(unit.u8() || 1);
  if (lineRange === 0) return null;
  for (let opcode = 1; opcode < operands.length; opcode += 1) operands[opcode] = unit.u8();
  const tables = version === 5 ? readTables5(unit, sections) : readTables(unit);
  if (tables === null) return null;
  unit.pos = program;
  return { version, instructionBytes, lineBase, lineRange, operands, ...tables };
}

type Tables = Pick<Header, 'directories' | 'files'>;

/** Directory 0 is that of the compilation, whose name stands elsewhere; files are numbered from 1. */
function readTables(unit: Cursor): Tables {
  const directories: Name[] = [''];
  const files: FileEntry[] = [{ name: '', directory: 0 }];
  for (let name = unit.text(); name !== ''; name = unit.text())
    if (directories.length < sourceLineLimits.files) directories.push(name);
  for (let name = unit.text(); name !== ''; name = unit.text()) {
    const file = readFile(unit, name);
    if (files.length < sourceLineLimits.files) files.push(file);
  }
  return { directories, files };
}

function readFile(unit: Cursor, name: string): FileEntry {
  const directory = unit.uleb();
  unit.uleb(); // Time.
  unit.uleb(); // Size.
  return { name, directory };
}

const content = { path: 1, directory: 2 } as const;

function readTables5(unit: Cursor, sections: DwarfSections): Tables | null {
  const directories = readEntries(unit, sections);
  const files = directories === null ? null : readEntries(unit, sections);
  return directories === null || files === null ? null : { directories: directories.map(({ name }) => name), files };
}

/** Returns a list of entries, each in the form that is described before the list (6.2.4.1); null for unknown forms. */
function readEntries(unit: Cursor, sections: DwarfSections): FileEntry[] | null {
  const forms = Array.from({ length: unit.u8() }, () => [unit.uleb(), unit.uleb()] as const);
  const count = unit.uleb();
  const entries: FileEntry[] = [];
  for (let n = 0; n < count; n += 1) {
    const before = unit.pos;
    let name: Name = '';
    let directory = 0;
    for (const [type, form] of forms) {
      const value = readForm(unit, form, sections);
      if (value === null) return null;
      if (type === content.path && typeof value !== 'number') name = value;
      if (type === content.directory && typeof value === 'number') directory = value;
    }
    // Entries without bytes could be any number of them.
    if (unit.pos === before) return null;
    if (entries.length < sourceLineLimits.files) entries.push({ name, directory });
  }
  return entries;
}

/** Reads a value in one of the forms that stand in line tables (7.5.6). */
function readForm(unit: Cursor, form: number, { str, lineStr }: DwarfSections): Name | number | null {
  switch (form) {
    case 0x08: // DW_FORM_string
      return unit.text();
    case 0x0e: // DW_FORM_strp
      return textAt(str, unit.offset());
    case 0x1f: // DW_FORM_line_strp
      return textAt(lineStr, unit.offset());
    case 0x0b: // DW_FORM_data1
      return unit.u8();
    case 0x05: // DW_FORM_data2
      return unit.u16();
    case 0x06: // DW_FORM_data4
      return unit.u32();
    case 0x07: // DW_FORM_data8
      return unit.skip(8);
    case 0x1e: // DW_FORM_data16
      return unit.skip(16);
    case 0x0f: // DW_FORM_udata
      return unit.uleb();
    case 0x09: // DW_FORM_block
      return unit.skip(unit.uleb());
    default:
      return null;
  }
}

function textAt(section: Uint8Array | undefined, offset: number): () => string {
  return () => {
    const bytes = section?.subarray(offset, offset + nameBytes) ?? new Uint8Array();
    const end = bytes.indexOf(0);
    return utf8.decode(end < 0 ? bytes : bytes.subarray(0, end));
  };
}

/** Runs a program to the end of its unit. */
function runProgram(unit: Cursor, header: Header, rows: SourceRows, budget: { lookUps: number }): void {
  const { instructionBytes, lineBase, lineRange, operands } = header;
  const numbers = new Map<number, number | null>();
  const numberOf = (file: number): number | null => {
    let number = numbers.get(file);
    if (number === undefined) {
      if (budget.lookUps === 0) return null;
      budget.lookUps -= 1;
      number = rows.file(pathOf(header, file));
      numbers.set(file, number);
    }
    return number;
  };
  let address = 0;
  let file = 1;
  let line = 1;
  /** The last row of the sequence: rows that say the same again are left out. */
  let lastFile = -1;
  let lastLine = -1;
  const row = (): void => {
    if (file === lastFile && line === lastLine) return;
    lastFile = file;
    lastLine = line;
    if (rows.accepts(address)) rows.add(address, numberOf(file), line);
  };
  const advance = (operations: number): void => {
    address = (address + operations * instructionBytes) >>> 0;
  };
  const special = (opcode: number): number => opcode - operands.length;
  while (unit.left > 0 && !rows.isFull) {
    const opcode = unit.u8();
    if (opcode >= operands.length) {
      advance(Math.floor(special(opcode) / lineRange));
      line += lineBase + (special(opcode) % lineRange);
      row();
    } else if (opcode === 0) {
      const end = unit.uleb() + unit.pos;
      const extended = end > unit.pos ? unit.u8() : 0;
      if (extended === 1) {
        // DW_LNE_end_sequence
        rows.add(address, null, 0);
        [address, file, line, lastFile] = [0, 1, 1, -1];
      } else if (extended === 2 && end - unit.pos === 4) address = unit.u32();
      else if (extended === 3 && header.files.length < sourceLineLimits.files)
        header.files.push(readFile(unit, unit.text()));
      unit.pos = end;
    } else if (opcode === 1) row();
    else if (opcode === 2) advance(unit.uleb());
    else if (opcode === 3) line = (line + unit.sleb()) | 0;
    else if (opcode === 4) file = unit.uleb();
    else if (opcode === 8) advance(Math.floor(special(255) / lineRange));
    else if (opcode === 9) address = (address + unit.u16()) >>> 0;
    else for (let n = operands[opcode] as number; n > 0; n -= 1) unit.uleb();
  }
}

/** Returns the path of a file; relative to the directory of the compilation where it lies in there. */
function pathOf({ version, directories, files }: Header, file: number): string {
  const entry = files[file];
  const name = textOf(entry?.name);
  if (entry === undefined || name === '') return '';
  const directory = textOf(directories[entry.directory]);
  if (name.startsWith('/') || entry.directory === 0 || directory === '') return name;
  const root = version === 5 ? textOf(directories[0]) : '';
  const path = `${directory}/${name}`;
  return root !== '' && path.startsWith(`${root}/`) ? path.slice(root.length + 1) : path;
}

function textOf(name: Name | undefined): string {
  return typeof name === 'function' ? name() : (name ?? '');
}

const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
/** Bytes of a name that are read. */
const nameBytes = 512;

/** Reads little-endian values. Throws RangeError beyond the end. */
class Cursor {
  readonly #bytes: Uint8Array;
  /** Whether offsets have 64 bits. */
  readonly #is64: boolean;
  /** Offset of the next byte. */
  pos: number;

  constructor(bytes: Uint8Array, { pos, is64 }: { readonly pos: number; readonly is64: boolean }) {
    this.#bytes = bytes;
    this.#is64 = is64;
    this.pos = pos;
  }

  get left(): number {
    return this.#bytes.length - this.pos;
  }

  u8(): number {
    const byte = this.#bytes[this.pos];
    if (byte === undefined) throw new RangeError('the end of the debug information');
    this.pos += 1;
    return byte;
  }

  u16(): number {
    return this.u8() | (this.u8() << 8);
  }

  u32(): number {
    return (this.u16() | (this.u16() << 16)) >>> 0;
  }

  /** Returns an offset or a length of the unit's form. */
  offset(): number {
    const low = this.u32();
    return this.#is64 ? low + this.u32() * 2 ** 32 : low;
  }

  /** Returns an unsigned LEB128; bits beyond 32 are lost. */
  uleb(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.u8();
      if (shift < 32) value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
  }

  /** Returns a signed LEB128; bits beyond 32 are lost. */
  sleb(): number {
    let value = 0;
    for (let shift = 0; ; ) {
      const byte = this.u8();
      if (shift < 32) value |= (byte & 0x7f) << shift;
      shift += 7;
      if (byte < 0x80) return shift < 32 && (byte & 0x40) !== 0 ? value | (-1 << shift) : value;
    }
  }

  skip(bytes: number): number {
    if (bytes > this.left) throw new RangeError('the end of the debug information');
    this.pos += bytes;
    return 0;
  }

  /** Returns a text that ends with a 0, and moves to the byte after it. Of a long one the beginning. */
  text(): string {
    const end = this.#bytes.indexOf(0, this.pos);
    if (end < 0 || this.pos >= this.#bytes.length) throw new RangeError('a text without an end');
    const text = utf8.decode(this.#bytes.subarray(this.pos, Math.min(end, this.pos + nameBytes)));
    this.pos = end + 1;
    return text;
  }
}
