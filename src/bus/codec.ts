/**
 * Encodes messages between the processes of a cluster, over the bus and over HTTP.
 *
 *     length of the head, 4 bytes little-endian | head: JSON with version, kind, body | bytes of the body, in order
 *
 * A Uint8Array in the body stands in the JSON as the text U+0001 followed by its number; a text of the body that begins
 * with U+0001 gets another one in front. The version is that of the meaning of kinds and bodies: a receiver refuses a
 * version or a kind that it does not know, and ignores properties that it does not know. So a newer sender may add
 * properties, and gives a kind another name when its meaning changes.
 */
import { PlatformError } from '../protocol/errors.ts';

export const messageVersion = 1;

const mark = '\u0001';

export interface DecodedMessage {
  readonly kind: string;
  readonly body: unknown;
}

/** A message has a version that this program does not know. */
export class UnknownVersionError extends PlatformError {
  constructor(version: number) {
    super('bad_request', `a message of version ${version} came, this program knows ${messageVersion}`, {
      hints: ['upgrade the older one of the two programs'],
    });
  }
}

interface Head {
  readonly version: number;
  readonly kind: string;
  /** Lengths of the Uint8Arrays in the body, in bytes. */
  readonly bytes: readonly number[];
  readonly body: unknown;
}

/** Returns the bytes of a message. `body` is what JSON can hold, with Uint8Arrays anywhere. */
export function encodeMessage(kind: string, body: unknown): Uint8Array {
  const parts: Uint8Array[] = [];
  const marked = JSON.stringify(body ?? null, function (this: Record<string, unknown>, key: string, value: unknown) {
    // The original value: a Buffer has turned into another object before the replacer sees it.
    const original = this[key];
    if (original instanceof Uint8Array) return `${mark}${parts.push(original) - 1}`;
    return typeof value === 'string' && value.startsWith(mark) ? mark + value : value;
  });
  const bytes = JSON.stringify(parts.map(({ length }) => length));
  const head = Buffer.from(
    `{"version":${messageVersion},"kind":${JSON.stringify(kind)},"bytes":${bytes},"body":${marked}}`,
  );
  const length = Buffer.alloc(4);
  length.writeUInt32LE(head.length);
  return Buffer.concat([length, head, ...parts]);
}

/**
 * Returns the message that `data` holds. Throws `bad_request` when it is damaged, of a version that this program does
 * not know, or of none of `kinds`.
 */
export function decodeMessage(data: Uint8Array, kinds: readonly string[]): DecodedMessage {
  const { version, kind, bytes, body, end } = readHead(data);
  if (version !== messageVersion) throw new UnknownVersionError(version);
  if (!kinds.includes(kind)) throw new PlatformError('bad_request', `a message of an unknown kind came: ${kind}`);
  const parts: Uint8Array[] = [];
  let at = end;
  for (const length of bytes) {
    parts.push(data.subarray(at, at + length));
    at += length;
  }
  if (at !== data.length) throw damaged();
  return { kind, body: restored(body, parts) };
}

function readHead(data: Uint8Array): Head & { readonly end: number } {
  if (data.length < 4) throw damaged();
  const end = 4 + Buffer.from(data.buffer, data.byteOffset, 4).readUInt32LE(0);
  if (end > data.length) throw damaged();
  let head: unknown;
  try {
    head = JSON.parse(Buffer.from(data.buffer, data.byteOffset + 4, end - 4).toString());
  } catch (cause) {
    throw damaged(cause);
  }
  if (typeof head !== 'object' || head === null) throw damaged();
  const { version, kind, bytes, body } = head as Partial<Record<keyof Head, unknown>>;
  const isWhole = typeof version === 'number' && typeof kind === 'string' && Array.isArray(bytes);
  if (!isWhole || !bytes.every((length) => Number.isSafeInteger(length) && length >= 0)) throw damaged();
  return { version, kind, bytes: bytes as number[], body, end };
}

/** Returns `value` with its Uint8Arrays in place. */
function restored(value: unknown, parts: readonly Uint8Array[]): unknown {
  if (typeof value === 'string') {
    if (!value.startsWith(mark)) return value;
    if (value[1] === mark) return value.slice(1);
    const part = parts[Number(value.slice(1))];
    if (part === undefined) throw damaged();
    return part;
  }
  if (Array.isArray(value)) return value.map((one) => restored(one, parts));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, restored(one, parts)]));
}

function damaged(cause?: unknown): PlatformError {
  return new PlatformError('bad_request', 'a damaged message came', { cause });
}
