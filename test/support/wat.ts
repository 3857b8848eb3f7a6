/** Makes small guests for cases that the fixtures do not cover. */

const cwa = {
  stdin: '(import "cwa" "io_get_stdin" (func $stdin (result i32)))',
  stdout: '(import "cwa" "io_get_stdout" (func $stdout (result i32)))',
  read: '(import "cwa" "resource_read" (func $read (param i32 i32 i32) (result i32)))',
  write: '(import "cwa" "resource_write" (func $write (param i32 i32 i32) (result i32)))',
  flush: '(import "cwa" "resource_flush" (func $flush (param i32) (result i32)))',
  open: '(import "cwa" "resource_open" (func $open (param i32 i32) (result i32)))',
  env: '(import "cwa" "env_get" (func $env (param i32 i32 i32 i32) (result i32)))',
  sleep: '(import "cwa" "runtime_msleep" (func $sleep (param i32)))',
  log: '(import "cwa" "log_write" (func $log (param i32 i32 i32)))',
} as const;

/** Makes a guest whose cwa_main has `body` (without its result), with the imports that `body` names. */
export function cwaGuest(options: {
  readonly data?: readonly string[];
  readonly pages?: string;
  readonly body: string;
}) {
  const imports = Object.entries(cwa)
    .filter(([name]) => options.body.includes(`(call $${name}`))
    .map(([, text]) => text);
  return `(module
    ${imports.join('\n')}
    (memory (export "memory") ${options.pages ?? '2'})
    ${(options.data ?? []).join('\n')}
    (func (export "cwa_main") (result i32)
      (local $n i32) (local $m i32) (local $fd i32)
      ${options.body}
      (i32.const 0)))`;
}

/** Answers with the value of the variable that the query names, or with status 404. */
export const showVariable = cwaGuest({
  data: [
    '(data (i32.const 0) "QUERY_STRING")',
    '(data (i32.const 32) "Status: 404\\n\\n")',
    '(data (i32.const 64) "A: b\\n\\n")',
  ],
  body: `
    (local.set $n (call $env (i32.const 0) (i32.const 12) (i32.const 1024) (i32.const 256)))
    (local.set $n (call $env (i32.const 1024) (local.get $n) (i32.const 4096) (i32.const 60000)))
    (if (i32.lt_s (local.get $n) (i32.const 0))
      (then (drop (call $write (call $stdout) (i32.const 32) (i32.const 13))))
      (else
        (drop (call $write (call $stdout) (i32.const 64) (i32.const 6)))
        (drop (call $write (call $stdout) (i32.const 4096) (local.get $n)))))`,
});

/** Writes a head and 64 KiB of body repeatedly, without end. */
export const flood = cwaGuest({
  data: ['(data (i32.const 0) "Content-Type: text/plain\\n\\n")'],
  body: `
    (local.set $fd (call $stdout))
    (drop (call $write (local.get $fd) (i32.const 0) (i32.const 26)))
    (loop $more
      (drop (call $write (local.get $fd) (i32.const 65536) (i32.const 65536)))
      (br $more))`,
});

/** Sends the head and one line, then waits for ever. */
export const startThenSleep = cwaGuest({
  data: ['(data (i32.const 0) "A: b\\n\\nfirst\\n")'],
  body: `
    (local.set $fd (call $stdout))
    (drop (call $write (local.get $fd) (i32.const 0) (i32.const 12)))
    (drop (call $flush (local.get $fd)))
    (call $sleep (i32.const 1000000000))`,
});

/** Sends the head and one line, gives the loop a turn, then traps. */
export const startThenTrap = cwaGuest({
  data: ['(data (i32.const 0) "A: b\\n\\nfirst\\n")'],
  body: `
    (local.set $fd (call $stdout))
    (drop (call $write (local.get $fd) (i32.const 0) (i32.const 12)))
    (drop (call $flush (local.get $fd)))
    (call $sleep (i32.const 20))
    unreachable`,
});

/** Opens the URL in the query. */
export const openQuery = cwaGuest({
  data: ['(data (i32.const 0) "QUERY_STRING")', '(data (i32.const 32) "opened\\n")'],
  body: `
    (local.set $n (call $env (i32.const 0) (i32.const 12) (i32.const 1024) (i32.const 8192)))
    (local.set $fd (call $open (i32.const 1024) (local.get $n)))
    (drop (call $write (call $stdout) (i32.const 32) (i32.const 7)))`,
});

/** Reads all of its input, then says "read\n". */
export const readAll = cwaGuest({
  data: ['(data (i32.const 0) "read\\n")'],
  body: `
    (local.set $fd (call $stdin))
    (loop $more
      (br_if $more (i32.gt_s (call $read (local.get $fd) (i32.const 1024) (i32.const 60000)) (i32.const 0))))
    (drop (call $write (call $stdout) (i32.const 0) (i32.const 5)))`,
});

/** Sends the head and one line, waits two seconds, sends another one. */
export const slowly = cwaGuest({
  data: ['(data (i32.const 0) "A: b\\n\\nfirst\\n")', '(data (i32.const 32) "last\\n")'],
  body: `
    (local.set $fd (call $stdout))
    (drop (call $write (local.get $fd) (i32.const 0) (i32.const 12)))
    (drop (call $flush (local.get $fd)))
    (call $sleep (i32.const 2000))
    (drop (call $write (local.get $fd) (i32.const 32) (i32.const 5)))`,
});
