/**
 * Module under which a StackPool runs guests, as text and as the bytes that
 * `wat2wasm --enable-exceptions --enable-reference-types` makes of it; test/guest/kernel/stacks.test.ts compares both.
 *
 * `serve(i)` is one stack: it waits in `next` for a job, runs entry i of the table, reports how it ended, and waits for
 * the next job. It catches exceptions of host functions, so that an exit or a kill ends the guest and not the stack.
 * Traps and stack overflows cannot be caught, and exceptions of the guest itself are not caught: they end `serve`.
 */
export const stackDriverText = `(module
  (type $void (func))
  (type $status (func (result i32)))
  (import "host" "error" (tag $error (param externref)))
  (import "host" "entries" (table $entries 0 funcref))
  ;; Waits for the next job. 0: the stack is to end.
  (import "host" "next" (func $next (param i32) (result i32)))
  ;; What the entry returns: 1 nothing, 2 a status. 0: the entry must not be called any more.
  (import "host" "begin" (func $begin (param i32) (result i32)))
  (import "host" "returned" (func $returned (param i32 i32)))
  (import "host" "threw" (func $threw (param externref i32)))
  (func (export "serve") (param $i i32) (local $kind i32) (local $result i32)
    (loop $job
      (if (call $next (local.get $i)) (then
        (local.set $kind (call $begin (local.get $i)))
        (local.set $result (i32.const 0))
        (block $caught (result externref)
          (try_table (catch $error $caught)
            (if (i32.eq (local.get $kind) (i32.const 2))
              (then (local.set $result (call_indirect $entries (type $status) (local.get $i))))
              (else (if (local.get $kind) (then (call_indirect $entries (type $void) (local.get $i)))))))
          (call $returned (local.get $i) (local.get $result))
          (br $job))
        (call $threw (local.get $i))
        (br $job))))))`;

export const stackDriverBytes: Uint8Array<ArrayBuffer> = new Uint8Array(
  Buffer.from(
    'AGFzbQEAAAABHwdgAABgAAF/YAFvAGABfwF/YAJ/fwBgAm9/AGABfwACVgYEaG9zdAVlcnJvcgQAAgRob3N0B2VudHJpZXMBcAAABGhvc3QEbmV4dAADBGhvc3QFYmVnaW4AAwRob3N0CHJldHVybmVkAAQEaG9zdAV0aHJldwAFAwIBBgcJAQVzZXJ2ZQAECkwBSgECfwNAIAAQAARAIAAQASEBQQAhAgJvH0ABAAAAIAFBAkYEQCAAEQEAIQIFIAEEQCAAEQAACwsLIAAgAhACDAILIAAQAwwBCwsL',
    'base64',
  ),
);
