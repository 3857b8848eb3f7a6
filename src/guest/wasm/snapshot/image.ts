/** Cuts the image of a memory into data segments and leaves zeros out. */

/** A part of a memory that is kept: byte addresses from `start` up to `end`. */
export interface ImagePart {
  readonly start: number;
  readonly end: number;
}

/** Most parts of an image. Each part is a segment that every instantiation copies. */
const partsMax = 10_000;

/**
 * Number of zero words (4 bytes) that end a part. The head of a segment takes up to 12 bytes, so shorter gaps are
 * cheaper inside a part.
 */
const firstGapWords = 8;

/** Returns the parts of `memory` outside of which all bytes are 0, in order; at most partsMax. */
export function imageParts(memory: Uint8Array): readonly ImagePart[] {
  for (let gapWords = firstGapWords; ; gapWords *= 4) {
    const parts = cut(memory, gapWords);
    if (parts !== null) return parts;
  }
}

/** Returns the parts between gaps of `gapWords` zero words; null if there are more than partsMax. */
function cut(memory: Uint8Array, gapWords: number): readonly ImagePart[] | null {
  // The memory of a guest is a whole number of pages and begins at the start of its buffer.
  const words = new Uint32Array(memory.buffer, memory.byteOffset, memory.length >>> 2);
  const parts: { start: number; end: number }[] = [];
  let last = Number.NEGATIVE_INFINITY;
  for (let at = 0; at < words.length; at += 1) {
    if (words[at] === 0) continue;
    if (at - last > gapWords) {
      if (parts.length === partsMax) return null;
      parts.push({ start: at * 4, end: 0 });
    }
    last = at;
    (parts[parts.length - 1] as { end: number }).end = at * 4 + 4;
  }
  return parts;
}
