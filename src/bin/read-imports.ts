/** Reads which functions a guest may import, for the page that lists them. */
import type { ProvidedImport } from '../control/api/pages.ts';

/**
 * Returns every function of every ABI that a person may look up, with its first signature. Loads the rows of all ABIs,
 * and with them the kernel, at the first call: control needs them for nothing else.
 */
export async function readImports(): Promise<readonly ProvidedImport[]> {
  const { listedFunctions } = await import('../guest/kernel/abi/all.ts');
  return listedFunctions.map(({ module, name, abi, signatures }) => ({
    module,
    name,
    abi,
    params: signatures[0]?.params ?? [],
    results: signatures[0]?.results ?? [],
  }));
}
