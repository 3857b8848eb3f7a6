/** Guests of tests of clusters. */
import { assemble } from './e2e-guests.ts';
import { cwaGuest } from './wat.ts';

/** Writes the query to the log and answers with it. */
export const logsQuery = assemble(
  cwaGuest({
    data: ['(data (i32.const 0) "QUERY_STRING")'],
    body: `
    (local.set $n (call $env (i32.const 0) (i32.const 12) (i32.const 1024) (i32.const 64)))
    (call $log (i32.const 6) (i32.const 1024) (local.get $n))
    (drop (call $write (call $stdout) (i32.const 1024) (local.get $n)))`,
  }),
);

/** Stores the query in kv under itself, and answers with it when it is stored. */
export const storesQuery = assemble(
  cwaGuest({
    data: ['(data (i32.const 0) "QUERY_STRING")', '(data (i32.const 1016) "kv://b/k")'],
    body: `
    (local.set $n (call $env (i32.const 0) (i32.const 12) (i32.const 1024) (i32.const 64)))
    (local.set $fd (call $open (i32.const 1016) (i32.add (local.get $n) (i32.const 8))))
    (if (i32.lt_s (local.get $fd) (i32.const 0)) (then (return (i32.const 1))))
    (if (i32.lt_s (call $write (local.get $fd) (i32.const 1024) (local.get $n)) (i32.const 0)) (then (return (i32.const 2))))
    (if (i32.lt_s (call $flush (local.get $fd)) (i32.const 0)) (then (return (i32.const 3))))
    (drop (call $write (call $stdout) (i32.const 1024) (local.get $n)))`,
  }),
);
