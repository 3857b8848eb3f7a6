/**
 * Compiles a program of the language h directly to a WebAssembly module.
 *
 * A program is groups of `h` and `'`, separated by spaces. Each letter prints itself, each space prints a newline, and
 * the end of the program prints a newline. One newline at the end of the file is ignored, since editors add it; so `h`
 * prints its own source.
 *
 *     H     <- group (space+ group)*
 *     group <- ('h' / "'")+
 *
 * The module's function `h` puts 10 (newline), 104 (h) and 39 (') into locals and calls the host function `h.h` with
 * one of them for each character. The specification of h fixes the 67 bytes of the module for the program `h`.
 */
import { PlatformError } from '../../protocol/errors.ts';
import { KIB } from '../../protocol/limits.ts';

/**
 * Most characters of a program. Each becomes four bytes of code, so a program stays far below the cap on a function's
 * body (docs/safety.md).
 */
export const sourceCharsMax = 64 * KIB;

const end = 0x0b;
const call = 0x10;
const localGet = 0x20;
const localSet = 0x21;
const i32Const = 0x41;
const i32 = 0x7f;

/** Index of the local that holds the character to print, by source character. */
const localOf: Readonly<Record<string, number>> = { ' ': 0, h: 1, "'": 2 };

/**
 * Returns the module for `source`. Throws PlatformError `module_invalid` with the line, the column and the unexpected
 * character.
 */
export function compileH(source: string): Uint8Array {
  const program = source.replace(/\r?\n$/, '');
  if (program.length > sourceCharsMax)
    throw new PlatformError('module_too_large', `an h program has at most ${sourceCharsMax} characters`);
  check(program);

  const code = [
    ...[i32Const, ...signed(10), localSet, 0],
    ...[i32Const, ...signed(104), localSet, 1],
    ...[i32Const, ...signed(39), localSet, 2],
  ];
  for (const character of program) code.push(localGet, localOf[character] as number, call, 0);
  code.push(localGet, 0, call, 0, end);
  const body = [1, 3, i32, ...code];

  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    // Types: (i32) -> (), () -> ()
    ...section(1, [2, 0x60, 1, i32, 0, 0x60, 0, 0]),
    // Import h.h: type 0
    ...section(2, [1, 1, 0x68, 1, 0x68, 0, 0]),
    // One function of type 1, exported as h
    ...section(3, [1, 1]),
    ...section(7, [1, 1, 0x68, 0, 1]),
    ...section(10, [1, ...unsigned(body.length), ...body]),
  ]);
}

/**
 * Throws `module_invalid` unless `program` is groups separated by spaces: a group stands at the start and after spaces,
 * and ends at a space or the end.
 */
function check(program: string): void {
  let inGroup = false;
  for (let i = 0; i < program.length; i += 1) {
    const character = program[i] as string;
    if (character === 'h' || character === "'") inGroup = true;
    else if (character === ' ' && i > 0) inGroup = false;
    else throw unexpected(program, i, inGroup);
  }
  if (!inGroup) throw unexpected(program, program.length, false);
}

function unexpected(program: string, at: number, inGroup: boolean): PlatformError {
  const before = program.slice(0, at).split('\n');
  const column = (before.at(-1)?.length ?? 0) + 1;
  const codePoint = program.codePointAt(at);
  const found = codePoint === undefined ? 'the end' : nameOf(codePoint);
  const expected = inGroup ? "h, ' or a space" : "h or '";
  return new PlatformError(
    'module_invalid',
    `h syntax error at line ${before.length}, column ${column}: expected ${expected}, found ${found}`,
  );
}

function nameOf(codePoint: number): string {
  const shown = JSON.stringify(String.fromCodePoint(codePoint));
  return `${shown} (U+${codePoint.toString(16).toUpperCase().padStart(4, '0')})`;
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...unsigned(content.length), ...content];
}

/** Returns `value`, not negative, as unsigned LEB128. */
function unsigned(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return [...bytes, rest];
    bytes.push((rest & 0x7f) | 0x80);
  }
}

/** Returns `value`, not negative, as signed LEB128: bit 6 of the last byte is the sign, so it must be 0. */
function signed(value: number): number[] {
  const bytes = unsigned(value);
  return (bytes.at(-1) as number) & 0x40 ? [...bytes.slice(0, -1), (bytes.at(-1) as number) | 0x80, 0] : bytes;
}
