/**
 * Strings in the encodings that a component may choose. A string in memory is a pointer and a number of code units; in
 * latin1+utf16 the highest bit of the number says that the units are those of UTF-16.
 *
 * Spec: component-model, CanonicalABI.md "Loading" and "Storing", load_string and store_string.
 */
import { listBytesMax } from '../../component/flatten.ts';
import type { TextEncoding } from '../../component/wit.ts';
import { GuestFault } from '../memory.ts';

const wideTag = 0x8000_0000;

/** Returns the alignment of a string in bytes. */
export function textAlignment(encoding: TextEncoding): 1 | 2 {
  return encoding === 'utf8' ? 1 : 2;
}

/**
 * Returns the size of a string of `length` code units, as memory has that number. Throws GuestFault above listBytesMax.
 */
export function textBytes(length: number, encoding: TextEncoding): number {
  const units = encoding === 'latin1+utf16' ? (length & ~wideTag) >>> 0 : length >>> 0;
  const bytes = isWide(length, encoding) ? units * 2 : units;
  if (bytes > listBytesMax) throw new GuestFault(`a string of ${bytes} bytes, at most ${listBytesMax} are possible`);
  return bytes;
}

function isWide(length: number, encoding: TextEncoding): boolean {
  return encoding === 'utf16' || (encoding === 'latin1+utf16' && (length & wideTag) !== 0);
}

const utf8 = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true });

/**
 * Returns the text of `bytes`. `length` is the number of code units, as memory has it. Throws GuestFault for bytes that
 * are not UTF-8, and for half a surrogate pair.
 */
export function decodeText(bytes: Uint8Array, length: number, encoding: TextEncoding): string {
  if (encoding === 'utf8') {
    try {
      return utf8.decode(bytes);
    } catch {
      throw new GuestFault('a string that is not UTF-8');
    }
  }
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (!isWide(length, encoding)) return buffer.toString('latin1');
  const text = buffer.toString('utf16le');
  if (!text.isWellFormed()) throw new GuestFault('a string that is not UTF-16');
  return text;
}

export interface EncodedText {
  readonly bytes: Uint8Array;
  /** Number of code units, as memory has it. */
  readonly length: number;
}

/** Returns the bytes of `text`. Latin-1 is chosen if it has every character of the text. */
export function encodeText(text: string, encoding: TextEncoding): EncodedText {
  if (encoding === 'utf8') {
    const bytes = Buffer.from(text);
    return { bytes, length: bytes.length };
  }
  if (encoding === 'latin1+utf16' && !/[^\0-\xff]/.test(text))
    return { bytes: Buffer.from(text, 'latin1'), length: text.length };
  const tag = encoding === 'utf16' ? 0 : wideTag;
  return { bytes: Buffer.from(text.toWellFormed(), 'utf16le'), length: text.length + tag };
}
