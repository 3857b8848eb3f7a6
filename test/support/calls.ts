/**
 * A guest made of nothing but system calls, one after the other, in a memory full of guard bytes:
 *
 *     0x0000  guard bytes 0xa5, with `data` laid over them
 *     0x8000  the results, 8 bytes each
 *     0x10000 the end: one page
 *
 * So a test says which calls are made and sees each result, and every byte that any of them touched.
 */
import { expect } from 'vitest';
import { abis } from '../../src/guest/kernel/abi/all.ts';
import type { Syscall } from '../../src/guest/kernel/syscall.ts';
import type { AbiName } from '../../src/protocol/nouns.ts';
import { type GuestOptions, type GuestRun, runGuest } from './run-guest.ts';

export const guard = 0xa5;
/** End of the guarded part, in bytes; results follow it. */
export const guardedBytes = 0x8000;
export const memoryBytes = 0x10000;

/** The result of an earlier call, as an argument. */
export interface ResultOf {
  readonly resultOf: number;
}

export type Call = readonly [name: string, ...args: readonly (number | bigint | ResultOf)[]];

export interface CallsOptions extends GuestOptions {
  readonly abi: AbiName;
  /** Import module; the ABI's first one by default. */
  readonly from?: string;
  readonly data?: Readonly<Record<number, string | Uint8Array>>;
  readonly calls: readonly Call[];
  /** Rows to import instead of each name's first one (other signatures). */
  readonly rows?: readonly Syscall[];
  readonly entry?: string;
}

export interface CallsRun extends GuestRun {
  /** Result of each call, in order; undefined for a call without result, or never made. */
  readonly results: readonly (number | bigint | undefined)[];
  /** Memory before the calls, up to guardedBytes. */
  readonly before: Uint8Array;
}

export const result = (index: number): ResultOf => ({ resultOf: index });

export async function runCalls(options: CallsOptions): Promise<CallsRun> {
  const { abi, from, data = {}, calls, rows, entry, ...rest } = options;
  const table = abis.find((one) => one.name === abi);
  if (table === undefined) throw new Error(`no ABI ${abi}`);
  const used = new Map<string, Syscall>();
  for (const [name] of calls) {
    const row = [...(rows ?? []), ...table.syscalls].find((one) => one.name === name);
    if (row === undefined) throw new Error(`${abi} has no ${name}`);
    used.set(name, row);
  }
  const module = from ?? (table.modules[0] as string);

  const before = new Uint8Array(guardedBytes).fill(guard);
  for (const [at, value] of Object.entries(data)) before.set(Buffer.from(value as string), Number(at));

  const body = calls.map(([name, ...args], index) => {
    const row = used.get(name) as Syscall;
    const given = args.map((arg, i) => {
      const type = row.params[i]?.type ?? 'i32';
      if (typeof arg !== 'object') return `(${type}.const ${arg})`;
      const earlier = used.get((calls[arg.resultOf] as Call)[0])?.result;
      const load = `(${earlier}.load (i32.const ${resultAt(arg.resultOf)}))`;
      if (earlier === type) return load;
      return type === 'i64' ? `(i64.extend_i32_s ${load})` : `(i32.wrap_i64 ${load})`;
    });
    const call = `(call $${name} ${given.join(' ')})`;
    return row.result === null ? call : `(${row.result}.store (i32.const ${resultAt(index)}) ${call})`;
  });
  const run = await runGuest(
    `(module
      ${[...used.values()].map((row) => importOf(module, row)).join('\n')}
      (memory 1 1)
      (data (i32.const 0) "${[...before].map((byte) => `\\${byte.toString(16).padStart(2, '0')}`).join('')}")
      (func (export "${entry ?? 'main'}")
        ${body.join('\n')}))`,
    rest,
  );
  const view = new DataView(run.memory.buffer, run.memory.byteOffset);
  const results = calls.map(([name], index) => {
    const row = used.get(name) as Syscall;
    if (row.result === null) return undefined;
    return row.result === 'i64' ? view.getBigInt64(resultAt(index), true) : view.getInt32(resultAt(index), true);
  });
  return { ...run, results, before };
}

/** Expects that the guarded part is unchanged since before the calls, except `written`. */
export function expectMemory(run: CallsRun, written: Readonly<Record<number, string | Uint8Array>> = {}): void {
  const expected = run.before.slice();
  for (const [at, value] of Object.entries(written)) expected.set(Buffer.from(value as string), Number(at));
  const found = run.memory.subarray(0, guardedBytes);
  const at = found.findIndex((byte, i) => byte !== expected[i]);
  const shown = (bytes: Uint8Array) => Buffer.from(bytes.subarray(at, at + 32)).toString('latin1');
  if (at >= 0) expect({ at, bytes: shown(found) }).toEqual({ at, bytes: shown(expected) });
}

function importOf(module: string, row: Syscall): string {
  const params = row.params.map((param) => `(param ${param.type})`).join(' ');
  const results = row.result === null ? '' : `(result ${row.result})`;
  return `(import "${module}" "${row.name}" (func $${row.name} ${params} ${results}))`;
}

function resultAt(index: number): number {
  return guardedBytes + index * 8;
}
