/**
 * Reads and writes the headers of tar files (POSIX.1-2017, pax, "ustar Interchange Format"), regular files only. An
 * archive is a plain tar, so that an operator can read it with common tools.
 */
import { PlatformError } from '../../protocol/errors.ts';

export const blockBytes = 512;
/** Sizes from this one do not fit into 11 octal digits; they are stored in base 256, as GNU tar does. */
const octalBytesMax = 8 ** 11;

export interface TarEntry {
  readonly name: string;
  readonly bytes: number;
}

/**
 * Returns the header block of a file of mode 0600. Throws Error for a name that does not fit, which is a mistake in
 * this program.
 */
export function tarHeader({ name, bytes }: TarEntry, mtimeMs: number): Buffer {
  const block = Buffer.alloc(blockBytes);
  const cut = Buffer.byteLength(name) <= 100 ? 0 : name.indexOf('/', name.length - 101) + 1;
  const [prefix, rest] = cut === 0 ? ['', name] : [name.slice(0, cut - 1), name.slice(cut)];
  if (Buffer.byteLength(rest) > 100 || Buffer.byteLength(prefix) > 155) throw new Error(`too long for tar: ${name}`);
  block.write(rest, 0);
  block.write('0000600\0', 100);
  block.write('0000000\0', 108);
  block.write('0000000\0', 116);
  if (bytes < octalBytesMax) block.write(`${bytes.toString(8).padStart(11, '0')}\0`, 124);
  else {
    block[124] = 0x80;
    block.writeUIntBE(bytes, 130, 6);
  }
  block.write(
    `${Math.floor(mtimeMs / 1000)
      .toString(8)
      .padStart(11, '0')}\0`,
    136,
  );
  block.write('0', 156);
  block.write('ustar\x0000', 257);
  block.write(prefix, 345);
  block.write(`${checksum(block).toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

/**
 * Reads a header block; null for a block of zeros, which ends an archive. Throws `archive_invalid` for any other type
 * than a regular file: links, folders and devices are never accepted.
 */
export function readTarHeader(block: Buffer): TarEntry | null {
  if (block.every((byte) => byte === 0)) return null;
  if (block.toString('latin1', 257, 263) !== 'ustar\0') throw damaged('it is not an archive of trisiel backup');
  if (Number.parseInt(block.toString('latin1', 148, 156), 8) !== checksum(block)) throw damaged('a header is damaged');
  const type = block.toString('latin1', 156, 157);
  if (type !== '0') throw damaged(`it holds an entry of type ${JSON.stringify(type)}, which is no file`);
  const prefix = text(block, 345, 155);
  const name = text(block, 0, 100);
  return { name: prefix === '' ? name : `${prefix}/${name}`, bytes: size(block) };
}

/** Returns the number of zero bytes that follow a file's content. */
export function padding(bytes: number): number {
  return (blockBytes - (bytes % blockBytes)) % blockBytes;
}

/** Makes the error for an archive that is refused. */
export function damaged(why: string, cause?: unknown): PlatformError {
  return new PlatformError('archive_invalid', `the archive cannot be used: ${why}`, {
    hints: ['nothing was restored; take another backup file'],
    cause,
  });
}

function size(block: Buffer): number {
  if (block[124] === 0x80) return block.readUIntBE(130, 6);
  const digits = text(block, 124, 12).trim();
  if (!/^[0-7]{1,11}$/.test(digits)) throw damaged('a header has no size');
  return Number.parseInt(digits, 8);
}

function text(block: Buffer, at: number, length: number): string {
  const field = block.subarray(at, at + length);
  const end = field.indexOf(0);
  return field.toString('utf8', 0, end < 0 ? length : end);
}

/** Returns the sum of all bytes, with those of the checksum itself taken as spaces. */
function checksum(block: Buffer): number {
  let sum = 8 * 0x20;
  for (const [at, byte] of block.entries()) if (at < 148 || at >= 156) sum += byte;
  return sum;
}
