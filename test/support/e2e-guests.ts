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

/** Makes a CommonWA guest that answers with one line `NAME=value` for each of `names`; an unset one has no value. */
export function variables(names: readonly string[]): Uint8Array {
  const text = names.map((name) => `${name}=`).join('');
  let at = 16;
  const lines = names.map((name) => {
    const line = `(call $line (i32.const ${at}) (i32.const ${name.length}))`;
    at += name.length + 1;
    return line;
  });
  return assemble(`(module
    (import "cwa" "env_get" (func $env_get (param i32 i32 i32 i32) (result i32)))
    (import "cwa" "io_get_stdout" (func $stdout (result i32)))
    (import "cwa" "resource_write" (func $write (param i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "Status: 200\\n\\n")
    (data (i32.const 16) "${text}")
    (func $print (param $at i32) (param $length i32)
      (drop (call $write (call $stdout) (local.get $at) (local.get $length))))
    (func $line (param $name i32) (param $length i32)
      (local $value i32)
      (call $print (local.get $name) (i32.add (local.get $length) (i32.const 1)))
      (local.set $value (call $env_get (local.get $name) (local.get $length) (i32.const 4096) (i32.const 4096)))
      (if (i32.lt_s (local.get $value) (i32.const 0)) (then (local.set $value (i32.const 0))))
      (i32.store8 (i32.add (i32.const 4096) (local.get $value)) (i32.const 10))
      (call $print (i32.const 4096) (i32.add (local.get $value) (i32.const 1))))
    (func (export "cwa_main") (result i32)
      (call $print (i32.const 0) (i32.const 13))
      ${lines.join('\n')}
      (i32.const 0)))`);
}

/**
 * Makes a CommonWA guest that writes `head`, then the value of each variable of `names` followed by `separator` (an
 * unset one has no value), then its standard input, and exits 0.
 */
export function telling(
  names: readonly string[],
  { separator, head = '' }: { readonly separator: string; readonly head?: string },
): Uint8Array {
  let at = 0;
  const values = names.map((name) => {
    const call = `(call $variable (i32.const ${at}) (i32.const ${name.length}))`;
    at += name.length;
    return call;
  });
  return assemble(`(module
    (import "cwa" "env_get" (func $env (param i32 i32 i32 i32) (result i32)))
    (import "cwa" "io_get_stdin" (func $stdin (result i32)))
    (import "cwa" "io_get_stdout" (func $stdout (result i32)))
    (import "cwa" "resource_read" (func $read (param i32 i32 i32) (result i32)))
    (import "cwa" "resource_write" (func $write (param i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "${names.join('')}${separator}${head.replaceAll('\n', '\\n')}")
    (func $print (param i32 i32) (drop (call $write (call $stdout) (local.get 0) (local.get 1))))
    (func $variable (param i32 i32) (local i32)
      (local.set 2 (call $env (local.get 0) (local.get 1) (i32.const 1024) (i32.const 1024)))
      (if (i32.gt_s (local.get 2) (i32.const 0)) (then (call $print (i32.const 1024) (local.get 2))))
      (call $print (i32.const ${at}) (i32.const ${separator.length})))
    (func (export "cwa_main") (result i32) (local i32)
      (call $print (i32.const ${at + separator.length}) (i32.const ${head.length}))
      ${values.join('\n')}
      (block $end (loop $more
        (local.set 0 (call $read (call $stdin) (i32.const 4096) (i32.const 4096)))
        (br_if $end (i32.le_s (local.get 0) (i32.const 0)))
        (call $print (i32.const 4096) (local.get 0))
        (br $more)))
      (i32.const 0)))`);
}
