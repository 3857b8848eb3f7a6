/**
 * Unpacks blocks of log lines. Never trusts the bytes: sizes are bounded before memory is taken for them, and every
 * number is checked, so a damaged block costs its own lines and nothing else.
 */
import { crc32, zstdDecompressSync } from 'node:zlib';
import { type BlockLine, blockHeadBytes, blockLimits, blockMethods, blockStreams, blockVersions } from './log-block.ts';
import type { LogFields, LogLine, LogStream } from './nouns.ts';

/** Error of a block whose bytes cannot be unpacked. */
export class DamagedBlock extends Error {
  override readonly name = 'DamagedBlock';
  readonly code = 'log_block_damaged';

  constructor(what: string, cause?: unknown) {
    super(`a block of log lines is damaged: ${what}`, { cause });
  }
}

/** Lines of a block as columns; index 0 is the oldest line. */
export interface UnpackedBlock {
  readonly lines: number;
  /** Distance of each line's cursor from that of the first line. */
  readonly offsets: Float64Array;
  readonly invocations: readonly string[];
  readonly previews: readonly string[];
  readonly deployments: readonly number[];
  readonly streams: readonly LogStream[];
  readonly levels: readonly number[];
  readonly seqs: Float64Array;
  readonly timesMs: Float64Array;
  readonly gas: Float64Array;
  /** Statuses of requests, 0 for none; null: the block has none. */
  readonly statuses: readonly number[] | null;
  /** Fields as JSON, '' for none; null: the block has none. */
  readonly fields: readonly string[] | null;
  /** Texts of all lines, followed by the place where each line's text ends. */
  readonly text: string;
  readonly textEnds: Uint32Array;
  /** Whether all of `text` is ASCII. */
  readonly isAscii: boolean;
}

/** Unpacks a block of `lines` lines. Throws DamagedBlock. */
export function unpackBlock(data: Uint8Array, lines: number): UnpackedBlock {
  const bytes = columnsOf(data);
  const columns = new Columns(bytes, lines);
  const isStructured = data[0] === blockVersions.structured;
  const unpacked = {
    lines: columns.checkedLines(),
    offsets: columns.cursors(),
    invocations: columns.words(blockLimits.invocationChars),
    previews: columns.words(blockLimits.invocationChars),
    deployments: columns.runs(() => columns.number()),
    streams: columns.runs(() => streamOf(columns.number())),
    levels: columns.runs(() => columns.signed()),
    seqs: columns.differences(),
    timesMs: columns.differences(),
    gas: columns.differences(),
    statuses: isStructured ? columns.runs(() => columns.number()) : null,
    fields: isStructured ? columns.words(blockLimits.fieldsChars) : null,
    ...columns.lineTexts(),
  };
  columns.end();
  return unpacked;
}

/** Returns the text of the line at `index`. */
export function textAt({ text, textEnds }: UnpackedBlock, index: number): string {
  return text.slice(index === 0 ? 0 : textEnds[index - 1], textEnds[index]);
}

/** Returns the line at `index` as it was packed. */
export function packedLineAt(block: UnpackedBlock, index: number): BlockLine {
  const preview = block.previews[index] as string;
  const status = block.statuses?.[index] ?? 0;
  const fields = block.fields?.[index] ?? '';
  return {
    deployment: block.deployments[index] as number,
    invocation: block.invocations[index] as string,
    seq: block.seqs[index] as number,
    timeMs: block.timesMs[index] as number,
    gas: block.gas[index] as number,
    stream: block.streams[index] as LogStream,
    level: block.levels[index] as number,
    text: textAt(block, index),
    ...(preview === '' ? {} : { preview }),
    ...(status === 0 ? {} : { status }),
    ...(fields === '' ? {} : { fields }),
  };
}

/**
 * Returns the fields in `text`, which a runner has written; undefined where it is not a JSON object. Values that are
 * not plain (objects, lists) are left out.
 */
export function readFields(text: string): LogFields | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const plain = Object.entries(value).filter(([, one]) => typeof one !== 'object' || one === null);
  return Object.fromEntries(plain) as LogFields;
}

/** Returns the line at `index` of a block whose first line has the cursor `first`. */
export function lineAt(
  block: UnpackedBlock,
  index: number,
  { first, handler }: { readonly first: number; readonly handler: string },
): LogLine {
  const { fields: text, ...facts } = packedLineAt(block, index);
  const cursor = first + (block.offsets[index] as number);
  const fields = text === undefined ? undefined : readFields(text);
  return { cursor, handler, ...facts, ...(fields === undefined ? {} : { fields }) };
}

/** Returns whether the head of a block has valid values; its columns are not looked at. */
export function hasValidHead(data: Uint8Array): boolean {
  if (data.length <= blockHeadBytes) return false;
  if (data[0] !== blockVersions.plain && data[0] !== blockVersions.structured) return false;
  const bytes = columnBytesOf(data);
  if (bytes > blockLimits.plainBytes) return false;
  if (data[1] === blockMethods.plain) return data.length === blockHeadBytes + bytes;
  return data[1] === blockMethods.zstd && data.length <= blockHeadBytes + blockLimits.plainBytes;
}

/** Returns the bytes of the columns of a block, as its head says; unpackBlock makes sure of them. */
export function columnBytesOf(data: Uint8Array): number {
  return new DataView(data.buffer, data.byteOffset, data.byteLength).getUint32(6, true);
}

function columnsOf(data: Uint8Array): Uint8Array {
  if (!hasValidHead(data)) throw new DamagedBlock('its head');
  const bytes = columnBytesOf(data);
  const body = data.subarray(blockHeadBytes);
  let columns: Uint8Array;
  try {
    columns = data[1] === blockMethods.plain ? body : zstdDecompressSync(body, { maxOutputLength: Math.max(1, bytes) });
  } catch (error) {
    throw new DamagedBlock('its compression', error);
  }
  const sum = new DataView(data.buffer, data.byteOffset, data.byteLength).getUint32(2, true);
  if (columns.length !== bytes || crc32(columns) !== sum) throw new DamagedBlock('its checksum');
  return columns;
}

function streamOf(number: number): LogStream {
  const stream = blockStreams[number];
  if (stream === undefined) throw new DamagedBlock(`stream ${number}`);
  return stream;
}

class Columns {
  readonly #bytes: Uint8Array;
  readonly #lines: number;
  /** Offset in `#bytes` of the next number. */
  #at = 0;

  constructor(bytes: Uint8Array, lines: number) {
    this.#bytes = bytes;
    this.#lines = lines;
  }

  checkedLines(): number {
    const lines = this.number();
    if (lines !== this.#lines || lines < 1 || lines > blockLimits.lines) throw new DamagedBlock('its number of lines');
    return lines;
  }

  number(): number {
    let value = 0;
    let unit = 1;
    for (;;) {
      const byte = this.#byte();
      value += (byte & 0x7f) * unit;
      if (byte < 0x80) break;
      unit *= 0x80;
      if (unit > 2 ** 49) throw new DamagedBlock('a number');
    }
    if (!Number.isSafeInteger(value)) throw new DamagedBlock('a number');
    return value;
  }

  signed(): number {
    const byte = this.#byte();
    const size = (byte & 0x3f) + (byte >= 0x80 ? this.number() * 0x40 : 0);
    if (size > Number.MAX_SAFE_INTEGER) throw new DamagedBlock('a number');
    return (byte & 0x40) === 0 || size === 0 ? size : -size;
  }

  cursors(): Float64Array {
    const offsets = new Float64Array(this.#lines);
    const runs = this.number();
    let next = 0;
    let at = 0;
    for (let run = 0; run < runs; run += 1) {
      next += this.number();
      const count = this.number();
      if (count === 0 || count > this.#lines - at) throw new DamagedBlock('its cursors');
      for (const end = at + count; at < end; at += 1) {
        offsets[at] = next;
        next += 1;
      }
    }
    if (at !== this.#lines || offsets[0] !== 0 || !Number.isSafeInteger(next)) throw new DamagedBlock('its cursors');
    return offsets;
  }

  runs<Value>(read: () => Value): readonly Value[] {
    const values: Value[] = [];
    while (values.length < this.#lines) {
      const value = read();
      const count = this.number();
      if (count === 0 || count > this.#lines - values.length) throw new DamagedBlock('a column');
      for (let left = count; left > 0; left -= 1) values.push(value);
    }
    return values;
  }

  differences(): Float64Array {
    const values = new Float64Array(this.#lines);
    let value = 0;
    for (let at = 0; at < this.#lines; at += 1) {
      value += this.signed();
      if (value < 0 || value > Number.MAX_SAFE_INTEGER) throw new DamagedBlock('a column');
      values[at] = value;
    }
    return values;
  }

  /** Reads a dictionary of words of at most `charsMax` UTF-16 units, and the index of each line's word in it. */
  words(charsMax: number): readonly string[] {
    const { text, textEnds } = this.#texts(this.number(), charsMax);
    return this.runs(() => {
      const index = this.number();
      if (index >= textEnds.length) throw new DamagedBlock('a word');
      return text.slice(index === 0 ? 0 : textEnds[index - 1], textEnds[index]);
    });
  }

  lineTexts(): Pick<UnpackedBlock, 'text' | 'textEnds' | 'isAscii'> {
    if (this.number() !== this.#lines) throw new DamagedBlock('its texts');
    return this.#texts(this.#lines, blockLimits.lineChars);
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw new DamagedBlock('its end');
  }

  #texts(count: number, charsMax: number): Pick<UnpackedBlock, 'text' | 'textEnds' | 'isAscii'> {
    if (count > this.#lines) throw new DamagedBlock('its texts');
    const textEnds = new Uint32Array(count);
    let chars = 0;
    for (let at = 0; at < count; at += 1) {
      const length = this.number();
      chars += length;
      if (length > charsMax || chars > blockLimits.plainBytes) throw new DamagedBlock('its texts');
      textEnds[at] = chars;
    }
    const bytes = this.number();
    if (bytes > this.#bytes.length - this.#at) throw new DamagedBlock('its texts');
    const { buffer, byteOffset } = this.#bytes;
    const text = Buffer.from(buffer, byteOffset + this.#at, bytes).toString('utf8');
    this.#at += bytes;
    if (text.length !== chars) throw new DamagedBlock('its texts');
    return { text, textEnds, isAscii: bytes === chars };
  }

  #byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw new DamagedBlock('it ends early');
    this.#at += 1;
    return byte;
  }
}
