/**
 * Describes every function that a guest may import, for inspection: module, name, signatures. Built from the rows of
 * the ABIs, so that what is refused at push and what is bound at run time cannot differ.
 */
import type { FuncType, ProvidedFunction, ValType } from '../../../protocol/module.ts';
import type { Abi } from '../syscall.ts';

/** Returns one entry per module and name; a function with several rows (resource_close) has the signatures of all. */
export function providedBy(abis: readonly Abi[]): readonly ProvidedFunction[] {
  return abis.flatMap((abi) => {
    const signatures = new Map<string, FuncType[]>();
    for (const row of abi.syscalls) {
      signatures.set(row.name, [...(signatures.get(row.name) ?? []), ...signaturesOf(row)]);
    }
    return abi.modules.flatMap((module) =>
      [...signatures].map(([name, types]) => ({ module, name, abi: abi.name, signatures: types })),
    );
  });
}

function signaturesOf(row: Abi['syscalls'][number]): readonly FuncType[] {
  const results: readonly ValType[] = row.result === null ? [] : [row.result];
  const strict: FuncType = { params: row.params.map((param) => param.type), results };
  if (row.looseInts !== true) return [strict];
  // Every i32, in parameters and result alike, may be an i64: 2^n signatures, n <= 4.
  let all: FuncType[] = [{ params: [], results: [] }];
  for (const type of strict.params) {
    all = all.flatMap((f) => either(type).map((t) => ({ params: [...f.params, t], results: [] })));
  }
  for (const type of results) {
    all = all.flatMap((f) => either(type).map((t) => ({ params: f.params, results: [t] })));
  }
  return all;
}

function either(type: ValType): readonly ValType[] {
  return type === 'i32' ? ['i32', 'i64'] : [type];
}
