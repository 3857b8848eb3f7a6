/** Makes bytes to push: the committed fixtures, and small guests made from text. */
import { readFile } from 'node:fs/promises';
import wabt from 'wabt';

export function fixture(path: string): Promise<Buffer> {
  return readFile(new URL(`../../fixtures/guests/${path}`, import.meta.url));
}

const assembler = await wabt();

export function assemble(wat: string): Uint8Array {
  const module = assembler.parseWat('guest.wat', wat);
  try {
    return module.toBinary({}).buffer;
  } finally {
    module.destroy();
  }
}

/** Makes a CommonWA guest that writes `text` to standard output and exits 0. */
export function printing(text: string): Uint8Array {
  const bytes = Buffer.from(text);
  const data = [...bytes].map((byte) => `\\${byte.toString(16).padStart(2, '0')}`).join('');
  return assemble(`(module
    (import "cwa" "io_get_stdout" (func $stdout (result i32)))
    (import "cwa" "resource_write" (func $write (param i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 16) "${data}")
    (func (export "cwa_main") (result i32)
      (drop (call $write (call $stdout) (i32.const 16) (i32.const ${bytes.length})))
      (i32.const 0)))`);
}
