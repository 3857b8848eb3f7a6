/**
 * Encodes the read-only files of a Deployment as one content-addressed object: length of the index (32 bits,
 * big-endian), the index as JSON with paths and lengths, then the bytes of all files.
 */
import type { TreeFile } from '../../protocol/messages.ts';

/** Returns the bundle of `files`. The same files in another order give the same bytes. */
export function encodeBundle(files: readonly TreeFile[]): Uint8Array {
  const sorted = [...files].sort((a, b) => (a.path < b.path ? -1 : 1));
  const index = Buffer.from(JSON.stringify(sorted.map(({ path, bytes }) => [path, bytes.length])));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(index.length);
  return Buffer.concat([length, index, ...sorted.map(({ bytes }) => bytes)]);
}

/** Returns the files of a bundle that encodeBundle made; the store has verified the bytes. */
export function decodeBundle(bytes: Uint8Array): readonly TreeFile[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const indexEnd = 4 + buffer.readUInt32BE(0);
  // Written by encodeBundle.
  const index = JSON.parse(buffer.toString('utf8', 4, indexEnd)) as readonly [string, number][];
  let at = indexEnd;
  return index.map(([path, length]) => {
    at += length;
    return { path, bytes: buffer.subarray(at - length, at) };
  });
}
