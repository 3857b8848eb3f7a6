/**
 * Packs log lines of one handler into a block: columns, compressed together. A runner packs each batch once; control
 * stores the bytes as they are, unpacks them only for readers and to merge small blocks (log-block-reader.ts), and
 * packs merged blocks and lines of its own.
 *
 *     head, 10 bytes     version | method | CRC-32 of the columns | bytes of the columns   (numbers little-endian)
 *     columns            as they are, or compressed with zstd
 *
 * Columns, in this order: number of lines, runs of cursors, invocations, previews, deployments, streams, levels, seq,
 * time, gas, and in version 2 statuses (0: none) and fields ('': none), texts. Columns with few different values are
 * runs (value, count); growing numbers are differences. Texts of a column follow each other without separators; their
 * lengths in UTF-16 units stand before them. A block whose lines have neither status nor fields has version 1.
 */
import { constants, crc32, zstdCompressSync } from 'node:zlib';
import { KIB, MIB } from './limits.ts';
import { Columns, Dictionary } from './log-columns.ts';
import type { HandlerId } from './names.ts';
import { type LogStream, logStreams, type PendingLogLine } from './nouns.ts';

export const blockLimits = {
  /** Lines of a block: unpacking it takes about a millisecond. */
  lines: 4_096,
  /** UTF-16 units of texts and fields after which a block takes no further line. */
  textChars: 512 * KIB,
  /** UTF-16 units of one line. A runner splits lines far below it. */
  lineChars: 32 * KIB,
  /** UTF-16 units of an invocation's id, and of a preview's slug. */
  invocationChars: 100,
  /** UTF-16 units of the fields of one line, as JSON. */
  fieldsChars: 32 * KIB,
  /** Bytes of one line in the columns, besides those of its text and fields: two ids in three bytes a unit, numbers. */
  lineBytes: 720,
  /** Different names of fields in the filter of words; with more, the filter tells nothing about names. */
  fieldNames: 256,
  /** Bytes of the columns, with room for the longest texts and ids in three bytes a unit. */
  plainBytes: 5 * MIB,
  /** Bytes of the columns from which they are compressed. Below, it costs more time than it saves bytes. */
  packedFromBytes: 4 * KIB,
  /** Bytes of the filter of words. */
  wordsBytes: 16 * KIB,
} as const;

/** Version of a block without statuses and fields, followed by the version of a block that has their columns. */
export const blockVersions = { plain: 1, structured: 2 } as const;
export const blockHeadBytes = 10;
/** How the columns are stored. */
export const blockMethods = { plain: 0, zstd: 1 } as const;

/** Streams by number: bit `1 << index` of LogBlock.streams. A stream is never given another number. */
export const blockStreams: readonly LogStream[] = logStreams;

/** Log lines of one handler, packed. The facts beside `data` let a search skip the block without unpacking it. */
export interface LogBlock {
  readonly handlerId: HandlerId;
  /** Number of lines, 1 to blockLimits.lines. */
  readonly lines: number;
  /** Earliest and latest time of a line, Unix milliseconds. */
  readonly firstMs: number;
  readonly lastMs: number;
  /** Levels of the lines: bits of `levelBit`. */
  readonly levels: number;
  /** Streams of the lines, as bits. */
  readonly streams: number;
  /** UTF-16 units of the texts and fields together. */
  readonly textChars: number;
  /** Filter of the lines' words (`mayHaveWord`). */
  readonly words: Uint8Array;
  readonly data: Uint8Array;
}

/** A block without its handler. */
export type PackedLines = Omit<LogBlock, 'handlerId'>;

/** Fields of a line that a block stores. */
export type BlockLine = Omit<PendingLogLine, 'handlerId'>;

/** Returns the bit of a level: levels below 0 count as 0 and those above 15 as 15. */
export function levelBit(level: number): number {
  return 1 << Math.max(0, Math.min(level, 15));
}

/** Returns the bits of all levels up to `level`: a block without any of them has no line of that severity or worse. */
export function levelBitsUpTo(level: number): number {
  return 2 * levelBit(level) - 1;
}

/** Words of a line in a block's filter. */
export const lineWords = {
  invocation: (id: string): string => `i${id}`,
  /** `slug` '': lines of no preview. */
  preview: (slug: string): string => `p${slug}`,
  deployment: (number: number): string => `d${number}`,
  /** Status of a request by its first digit. */
  statusClass: (digit: number): string => `s${digit}`,
  field: (name: string): string => `f${name}`,
  /** Stands for the names of fields where a block has more than blockLimits.fieldNames. */
  anyField: 'f',
} as const;

/**
 * Returns the greatest number of bytes that the columns of a block with these facts can have. Bounds what unpacking
 * costs by facts that are known before.
 */
export function columnBytesMax({ lines, textChars }: Pick<LogBlock, 'lines' | 'textChars'>): number {
  return KIB + lines * blockLimits.lineBytes + 3 * textChars;
}

/** Returns the UTF-16 units that a line counts for in LogBlock.textChars. */
export function charsOf({ text, fields = '' }: Pick<BlockLine, 'text' | 'fields'>): number {
  return text.length + fields.length;
}

/**
 * Packs lines into one block. `cursors`: cursors of the lines, ascending; absent: they follow each other. The caller
 * keeps the limits of a block (`fits`).
 */
export function packLines(lines: readonly BlockLine[], cursors?: readonly number[]): PackedLines {
  const columns = new Columns();
  columns.number(lines.length);
  writeCursors(columns, lines.length, cursors);
  const invocations = new Dictionary();
  const previews = new Dictionary();
  const deployments = new Set<number>();
  let levels = 0;
  let streams = 0;
  let firstMs = Number.MAX_SAFE_INTEGER;
  let lastMs = 0;
  let isStructured = false;
  for (const { invocation, preview = '', deployment, level, stream, timeMs, status, fields } of lines) {
    invocations.add(invocation);
    previews.add(preview);
    deployments.add(deployment);
    levels |= levelBit(level);
    streams |= 1 << streamNumber(stream);
    const ms = whole(timeMs);
    if (ms < firstMs) firstMs = ms;
    if (ms > lastMs) lastMs = ms;
    if (status !== undefined || fields !== undefined) isStructured = true;
  }
  columns.texts(invocations.words);
  columns.runs(invocations.indexes, (index) => columns.number(index));
  columns.texts(previews.words);
  columns.runs(previews.indexes, (index) => columns.number(index));
  columns.runs(
    lines,
    (deployment) => columns.number(deployment),
    ({ deployment }) => whole(deployment),
  );
  columns.runs(
    lines,
    (stream) => columns.number(stream),
    ({ stream }) => streamNumber(stream),
  );
  columns.runs(
    lines,
    (level) => columns.signed(level),
    ({ level }) => (Number.isSafeInteger(level) ? level : 0),
  );
  columns.differences(lines, ({ seq }) => whole(seq));
  columns.differences(lines, ({ timeMs }) => whole(timeMs));
  columns.differences(lines, ({ gas }) => whole(gas));
  const structure = isStructured ? writeStructure(columns, lines) : noStructure;
  const textChars = columns.texts(lines.map(({ text }) => text)) + structure.chars;
  const words = [
    ...invocations.words.map(lineWords.invocation),
    ...previews.words.map(lineWords.preview),
    ...[...deployments].map(lineWords.deployment),
    ...structure.words,
  ];
  const facts = { lines: lines.length, firstMs, lastMs, levels, streams, textChars };
  const version = isStructured ? blockVersions.structured : blockVersions.plain;
  return { ...facts, words: filterOf(words), data: sealed(columns.bytes(), version) };
}

const noStructure: { readonly chars: number; readonly words: readonly string[] } = { chars: 0, words: [] };

/** Writes statuses and fields. Returns the UTF-16 units of all fields, and their words. */
function writeStructure(columns: Columns, lines: readonly BlockLine[]): typeof noStructure {
  const fields = new Dictionary();
  const words = new Set<string>();
  let chars = 0;
  for (const line of lines) {
    const text = line.fields ?? '';
    fields.add(text);
    chars += text.length;
    const status = whole(line.status ?? 0);
    if (status > 0) words.add(lineWords.statusClass(Math.floor(status / 100)));
  }
  columns.runs(
    lines,
    (status) => columns.number(status),
    ({ status = 0 }) => whole(status),
  );
  columns.texts(fields.words);
  columns.runs(fields.indexes, (index) => columns.number(index));
  const names = new Set<string>();
  for (const text of fields.words) {
    if (text === '') continue;
    for (const name of namesIn(text)) names.add(name);
    if (names.size > blockLimits.fieldNames) break;
  }
  if (names.size > blockLimits.fieldNames) words.add(lineWords.anyField);
  else for (const name of names) words.add(lineWords.field(name));
  return { chars, words: [...words] };
}

/** Returns the names of the fields in a JSON text, which may come from a runner: none where it is no object. */
function namesIn(text: string): readonly string[] {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? Object.keys(value) : [];
  } catch {
    return [];
  }
}

/** Packs lines of one handler, in order, into as few blocks as the limits allow. */
export function packAll(lines: readonly BlockLine[]): PackedLines[] {
  const blocks: PackedLines[] = [];
  let start = 0;
  let chars = 0;
  for (let at = 0; at < lines.length; at += 1) {
    const length = charsOf(lines[at] as BlockLine);
    if (at > start && (at - start === blockLimits.lines || chars + length > blockLimits.textChars)) {
      blocks.push(packLines(lines.slice(start, at)));
      start = at;
      chars = 0;
    }
    chars += length;
  }
  if (start < lines.length) blocks.push(packLines(start === 0 ? lines : lines.slice(start)));
  return blocks;
}

/**
 * Packs lines of several handlers: those of each handler in their order, handlers in the order of their first lines.
 */
export function packByHandler(lines: readonly PendingLogLine[]): LogBlock[] {
  const first = lines[0]?.handlerId;
  if (first !== undefined && lines.every(({ handlerId }) => handlerId === first))
    return packAll(lines).map((block) => ({ handlerId: first, ...block }));
  return [...Map.groupBy(lines, ({ handlerId }) => handlerId)].flatMap(([handlerId, theirs]) =>
    packAll(theirs).map((block) => ({ handlerId, ...block })),
  );
}

/** Returns whether a block whose filter is `words` may have a line with `word`; exact only where it returns false. */
export function mayHaveWord(words: Uint8Array, word: string): boolean {
  if (words.length === 0) return true;
  return places(word, words.length * 8).every((place) => ((words[place >> 3] as number) & (1 << (place & 7))) !== 0);
}

/** Bits of a filter for each of its words: about one word in 80 that it does not have seems to be there. */
const bitsPerWord = 10;

function filterOf(words: readonly string[]): Uint8Array {
  const bytes = new Uint8Array(Math.min(blockLimits.wordsBytes, Math.ceil((words.length * bitsPerWord) / 8)));
  for (const word of words)
    for (const place of places(word, bytes.length * 8))
      bytes[place >> 3] = (bytes[place >> 3] as number) | (1 << (place & 7));
  return bytes;
}

/** Returns the bits of a word: four steps of one hash from the place of another (Kirsch and Mitzenmacher, 2006). */
function places(word: string, bits: number): readonly number[] {
  // FNV-1a, over UTF-16 units.
  let hash = 0x811c9dc5;
  for (let at = 0; at < word.length; at += 1) hash = Math.imul(hash ^ word.charCodeAt(at), 0x01000193);
  const from = hash >>> 0;
  const step = (Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) | 1) >>> 0;
  return [from % bits, (from + step) % bits, (from + 2 * step) % bits, (from + 3 * step) % bits];
}

function streamNumber(stream: LogStream): number {
  const number = blockStreams.indexOf(stream);
  if (number < 0) throw new Error(`there is no stream ${stream}`);
  return number;
}

function whole(value: number): number {
  const rounded = Math.round(value);
  return Number.isSafeInteger(rounded) && rounded > 0 ? rounded : 0;
}

function writeCursors(columns: Columns, lines: number, cursors: readonly number[] | undefined): void {
  const runs: { gap: number; count: number }[] = [];
  let next = cursors?.[0] ?? 0;
  for (const cursor of cursors ?? []) {
    const last = runs.at(-1);
    if (last !== undefined && cursor === next) last.count += 1;
    else runs.push({ gap: cursor - next, count: 1 });
    next = cursor + 1;
  }
  if (runs.length === 0) runs.push({ gap: 0, count: lines });
  columns.number(runs.length);
  for (const { gap, count } of runs) {
    columns.number(gap);
    columns.number(count);
  }
}

/** Makes the bytes of a block from its columns. */
function sealed(columns: Uint8Array, version: number): Uint8Array {
  const isPacked = columns.length >= blockLimits.packedFromBytes;
  const body = isPacked ? zstdCompressSync(columns, { params: { [constants.ZSTD_c_compressionLevel]: 1 } }) : columns;
  const data = new Uint8Array(blockHeadBytes + body.length);
  const head = new DataView(data.buffer);
  head.setUint8(0, version);
  head.setUint8(1, isPacked ? blockMethods.zstd : blockMethods.plain);
  head.setUint32(2, crc32(columns), true);
  head.setUint32(6, columns.length, true);
  data.set(body, blockHeadBytes);
  return data;
}
