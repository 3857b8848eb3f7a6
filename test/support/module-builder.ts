/** Makes modules byte by byte that no assembler would write. */
export function leb(value: number): number[] {
  const bytes: number[] = [];
  do {
    const low = value & 0x7f;
    value = Math.floor(value / 128);
    bytes.push(value > 0 ? low | 0x80 : low);
  } while (value > 0);
  return bytes;
}

export const header = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];

export function section(id: number, ...contents: number[]): number[] {
  return largeSection(id, contents);
}

/** Makes a section for contents that are too long to be passed as arguments. */
export function largeSection(id: number, contents: readonly number[]): number[] {
  return [id, ...leb(contents.length), ...contents];
}

export function vector(items: readonly (readonly number[])[]): number[] {
  return [...leb(items.length), ...items.flat()];
}

export function body(instructions: readonly number[], locals: readonly number[] = [0]): number[] {
  const bytes = [...locals, ...instructions];
  return [...leb(bytes.length), ...bytes];
}

export function text(name: string): number[] {
  const bytes = [...Buffer.from(name)];
  return [...leb(bytes.length), ...bytes];
}

export function bytes(...parts: readonly number[][]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from([...header, ...parts.flat()]);
}

/**
 * Makes a module of one function of type () -> (), exported as `_start`, with the given instructions, in a module that
 * has one of everything.
 */
export function moduleWith(instructions: readonly number[], locals: readonly number[] = [0]): Uint8Array<ArrayBuffer> {
  return bytes(
    section(1, ...vector([[0x60, 0, 0]])),
    section(3, ...vector([[0]])),
    section(4, ...vector([[0x70, 0, 4]])),
    section(5, ...vector([[0, 1]])),
    section(6, ...vector([[0x7f, 1, 0x41, 0, 0x0b]])),
    section(7, ...vector([[...text('_start'), 0, 0]])),
    section(9, ...vector([[1, 0, 1, 0]])),
    section(12, 1),
    section(10, ...vector([body(instructions, locals)])),
    section(11, ...vector([[1, 2, 0xaa, 0xbb]])),
  );
}
