/** Modules that benches make: as large as asked, and never twice the same. */

/** Returns the LEB128 of a whole number from 0. */
export function leb(n: number): number[] {
  return n < 128 ? [n] : [(n & 127) | 128, ...leb(n >>> 7)];
}

/** Makes a section of a binary module. */
export function section(id: number, content: Buffer): Buffer {
  return Buffer.concat([Buffer.from([id, ...leb(content.length)]), content]);
}

/**
 * Makes a module with an entry and `functions` functions of about 1 KB of arithmetic each; `seed` makes its bytes
 * differ.
 */
export function moduleOf(functions: number, seed: number): Buffer {
  const bodies = Array.from({ length: functions }, (_, f) => {
    const code: number[] = [1, 1, 0x7f];
    for (let i = 0; i < 130; i += 1) {
      code.push(0x20, 0, 0x41, ...leb(((f + seed) * 31 + i) & 63), i % 2 === 0 ? 0x6a : 0x73, 0x21, 0);
    }
    code.push(0x0b);
    return Buffer.from([...leb(code.length), ...code]);
  });
  const count = functions + 1;
  return Buffer.concat([
    Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]),
    section(1, Buffer.from([1, 0x60, 0, 0])),
    section(3, Buffer.from([...leb(count), ...new Array<number>(count).fill(0)])),
    section(7, Buffer.from([1, 6, ...Buffer.from('_start'), 0, 0])),
    section(10, Buffer.concat([Buffer.from(leb(count)), Buffer.from([2, 0, 0x0b]), ...bodies])),
  ]);
}
