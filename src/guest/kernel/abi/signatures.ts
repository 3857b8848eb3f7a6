/**
 * Writes and reads the signatures of ABIs as text. A vet child checks and measures modules and runs no guest, so it
 * needs the signatures of system calls alone, and reads them from one file (module-signatures.ts) in place of all that
 * the rows use.
 */
import type { ValType } from '../../../protocol/module.ts';
import type { AbiName } from '../../../protocol/nouns.ts';
import type { Abi, Syscall } from '../syscall.ts';

/**
 * Returns a line `abi NAME MODULE…` for each of `abis`, then one line for each row: its name, its parameters,
 * `->`, its result, and the words `waits` and `loose-ints` where they hold. Names contain no spaces.
 */
export function writeSignatures(abis: readonly Abi[]): string {
  return abis
    .map((abi) => [`abi ${abi.name} ${abi.modules.join(' ')}`, ...abi.syscalls.map(lineOf)].join('\n'))
    .join('\n');
}

function lineOf({ name, params, result, waits, looseInts }: Syscall): string {
  const words = [name, ...params.map(({ type }) => type), '->'];
  if (result !== null) words.push(result);
  if (waits) words.push('waits');
  if (looseInts === true) words.push('loose-ints');
  return words.join(' ');
}

/**
 * Returns the ABIs of which `text` was written by writeSignatures. Imports of a module can be checked against them, and
 * instances made; their system calls throw, so no guest can run on them.
 */
export function readSignatures(text: string): readonly Abi[] {
  const abis: (Omit<Abi, 'syscalls'> & { readonly syscalls: Syscall[] })[] = [];
  for (const line of text.trim().split('\n')) {
    const [first = '', ...words] = line.split(' ');
    if (first === 'abi') {
      const [name, ...modules] = words;
      // writeSignatures wrote the name of an ABI.
      abis.push({ name: name as AbiName, modules, syscalls: [] });
    } else abis.at(-1)?.syscalls.push(readLine(first, words));
  }
  return abis;
}

function readLine(name: string, words: readonly string[]): Syscall {
  const arrow = words.indexOf('->');
  const marks = words.slice(arrow + 1).filter((word) => word === 'waits' || word === 'loose-ints');
  const [result = null] = words.slice(arrow + 1, words.length - marks.length);
  return {
    name,
    // writeSignatures wrote types of values.
    params: words.slice(0, arrow).map((type) => ({ name: '', type: type as ValType })),
    result: result as ValType | null, // written by docs/build.ts
    waits: marks.includes('waits'),
    looseInts: marks.includes('loose-ints'),
    run: () => {
      throw new Error(`${name} is a signature alone`);
    },
  };
}
