/** Writes packs that git would not write (gitformat-pack(5)). */
import { createHash } from 'node:crypto';
import { deflateSync } from 'node:zlib';

const blob = 3;
const refDelta = 7;
/** Most bytes that one instruction of a delta copies. */
const copyBytes = 0xff_ffff;

/**
 * Returns a pack with one blob of zeros and `count` deltas against it, whose results have `copies` times 16 MiB each.
 */
export function deltaBomb(copies: number, count = 1): Buffer {
  const base = Buffer.alloc(copyBytes);
  const copy = Buffer.of(0b1111_0000, 0xff, 0xff, 0xff); // from offset 0, three bytes of a size follow
  const baseId = createHash('sha1').update(`blob ${base.length}\0`).update(base).digest();
  const deltas = Array.from({ length: count }, (_, index) => {
    const own = Buffer.of(index % 256, Math.floor(index / 256));
    const sizes = [number(base.length), number(copies * copyBytes + own.length)];
    const delta = Buffer.concat([...sizes, Buffer.of(own.length), own, ...Array(copies).fill(copy)]);
    return Buffer.concat([head(refDelta, delta.length), baseId, deflateSync(delta)]);
  });
  return packOf([Buffer.concat([head(blob, base.length), deflateSync(base)]), ...deltas]);
}

function packOf(objects: readonly Buffer[]): Buffer {
  const start = Buffer.alloc(12);
  start.write('PACK');
  start.writeUInt32BE(2, 4);
  start.writeUInt32BE(objects.length, 8);
  const content = Buffer.concat([start, ...objects]);
  return Buffer.concat([content, createHash('sha1').update(content).digest()]);
}

/** Returns the head of an object: its type and, from the lowest bits on, its size in bytes. */
function head(type: number, size: number): Buffer {
  const rest = Math.floor(size / 16);
  const first = (type << 4) | (size % 16);
  return rest === 0 ? Buffer.of(first) : Buffer.concat([Buffer.of(first | 0x80), number(rest)]);
}

/** Returns a number in parts of 7 bits, the lowest first. */
function number(value: number): Buffer {
  const parts: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    parts.push(rest >= 128 ? (rest % 128) | 0x80 : rest);
    if (rest < 128) return Buffer.from(parts);
  }
}
