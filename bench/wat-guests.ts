/** Guests of the invocation benchmark, as text. */
const header = 'content-type: text/plain\\n\\n';

export const helloCwa = `(module
  (import "cwa" "io_get_stdout" (func $stdout (result i32)))
  (import "cwa" "resource_write" (func $write (param i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (data (i32.const 0) "${header}Hello, world!\\n")
  (func (export "_start")
    (drop (call $write (call $stdout) (i32.const 0) (i32.const 40)))))`;

export const helloWasi = `(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (data (i32.const 0) "${header}Hello, world!\\n")
  (func (export "_start")
    (i32.store (i32.const 128) (i32.const 0))
    (i32.store (i32.const 132) (i32.const 40))
    (drop (call $write (i32.const 1) (i32.const 128) (i32.const 1) (i32.const 136)))))`;

/** 1 MiB of memory of which it uses what a C or Rust program does: 16 KiB of stack, some of its data. */
export const oneMegabyte = `(module
  (import "cwa" "io_get_stdout" (func $stdout (result i32)))
  (import "cwa" "resource_write" (func $write (param i32 i32 i32) (result i32)))
  (memory (export "memory") 17)
  (data (i32.const 1048576) "${header}Hello, world!\\n")
  (func (export "_start")
    (memory.fill (i32.const 1032192) (i32.const 1) (i32.const 16384))
    (memory.fill (i32.const 1049600) (i32.const 2) (i32.const 4096))
    (drop (call $write (call $stdout) (i32.const 1048576) (i32.const 40)))))`;

/** Grows its memory at start, as allocators do. */
export const growing = `(module
  (import "cwa" "io_get_stdout" (func $stdout (result i32)))
  (import "cwa" "resource_write" (func $write (param i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (data (i32.const 0) "${header}Hello, world!\\n")
  (func (export "_start")
    (drop (memory.grow (i32.const 16)))
    (i32.store (i32.const 1000000) (i32.const 1))
    (drop (call $write (call $stdout) (i32.const 0) (i32.const 40)))))`;

/** About a millisecond of integer arithmetic. */
export const computing = `(module
  (import "cwa" "io_get_stdout" (func $stdout (result i32)))
  (import "cwa" "resource_write" (func $write (param i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (data (i32.const 0) "${header}Hello, world!\\n")
  (func (export "_start")
    (local $i i32) (local $x i32)
    (local.set $i (i32.const 500000))
    (local.set $x (i32.const 1))
    (loop $next
      (local.set $x (i32.add (i32.mul (local.get $x) (i32.const 1664525)) (i32.const 1013904223)))
      (br_if $next (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
    (i32.store (i32.const 60000) (local.get $x))
    (drop (call $write (call $stdout) (i32.const 0) (i32.const 40)))))`;

/** A body of 1 MiB in 16 writes. */
export const streaming = `(module
  (import "cwa" "io_get_stdout" (func $stdout (result i32)))
  (import "cwa" "resource_write" (func $write (param i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (data (i32.const 0) "${header}")
  (func (export "_start")
    (local $i i32) (local $out i32)
    (local.set $out (call $stdout))
    (drop (call $write (local.get $out) (i32.const 0) (i32.const 26)))
    (local.set $i (i32.const 16))
    (loop $next
      (drop (call $write (local.get $out) (i32.const 65536) (i32.const 65536)))
      (br_if $next (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))))`;

export const looping = `(module (func (export "_start") (loop $again (br $again))))`;

/** Waits as for an upstream that takes its time. */
export const waiting = `(module
  (import "cwa" "runtime_msleep" (func $sleep (param i32)))
  (memory (export "memory") 2)
  (func (export "_start") (call $sleep (i32.const 500000))))`;
