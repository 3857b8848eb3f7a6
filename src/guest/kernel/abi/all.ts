/** Lists the ABIs that a guest may mix, in the order of detection. */
import type { ProvidedFunction } from '../../../protocol/module.ts';
import type { Abi } from '../syscall.ts';
import { cwa } from './cwa/cwa.ts';
import { dagger } from './dagger/dagger.ts';
import { hAbi } from './h/h.ts';
import { land } from './land/land.ts';
import { providedBy } from './provided.ts';
import { wasi, wasiUnstable } from './wasi/wasi.ts';
import { wasi2 } from './wasi2/wasi2.ts';

/** ABIs that modules import. */
const moduleAbis: readonly Abi[] = [cwa, dagger, land, hAbi, wasi, wasiUnstable];
/**
 * ABIs that components import. Modules may not import them: their code cannot receive the lists that these functions
 * return.
 */
const componentAbis: readonly Abi[] = wasi2;

export const abis: readonly Abi[] = [...moduleAbis, ...componentAbis];

export const providedFunctions: readonly ProvidedFunction[] = providedBy(moduleAbis);

/**
 * Functions that components may import: `interfaces` by interface and type, `linked` as the core functions that the
 * linker makes of them.
 */
export const providedInterfaces = {
  interfaces: componentAbis.flatMap(({ modules, syscalls }) =>
    modules.flatMap((interfaceName) =>
      syscalls.flatMap(({ name, wit }) => (wit === undefined ? [] : [{ interfaceName, name, type: wit }])),
    ),
  ),
  linked: providedBy(componentAbis),
};
