/** Lists the ABIs that a guest may mix, in the order of detection. */
import type { ProvidedFunction } from '../../../protocol/module.ts';
import { allElements } from '../canonical/async/elements.ts';
import type { Abi } from '../syscall.ts';
import { cwa } from './cwa/cwa.ts';
import { dagger } from './dagger/dagger.ts';
import { hAbi } from './h/h.ts';
import { land } from './land/land.ts';
import { providedBy } from './provided.ts';
import { wasi, wasiUnstable } from './wasi/wasi.ts';
import { wasi2 } from './wasi2/wasi2.ts';
import { wasi3 } from './wasi3/wasi3.ts';

/** ABIs that modules import. */
const moduleAbis: readonly Abi[] = [cwa, dagger, land, hAbi, wasi, wasiUnstable];
/**
 * ABIs that components import. Modules may not import them: their code cannot receive the lists that these functions
 * return. When a guest has returned, its streams of 0.3 end before the output of both versions is awaited.
 */
const componentAbis: readonly Abi[] = [...wasi3, ...wasi2];

export const abis: readonly Abi[] = [...moduleAbis, ...componentAbis];

/** Functions of all ABIs that a person may look up: those that the linker names itself are left out. */
export const listedFunctions: readonly ProvidedFunction[] = providedBy(abis.filter((abi) => abi.isOfLinker !== true));

export const providedFunctions: readonly ProvidedFunction[] = providedBy(moduleAbis);

/**
 * Functions that components may import: `interfaces` by interface and type, `linked` as the core functions that the
 * linker makes of them, `elements` the names of the types of their streams and futures.
 */
export const providedInterfaces = {
  interfaces: componentAbis.flatMap(({ modules, syscalls }) =>
    modules.flatMap((interfaceName) =>
      syscalls.flatMap(({ name, wit }) => (wit === undefined ? [] : [{ interfaceName, name, type: wit }])),
    ),
  ),
  linked: providedBy(componentAbis),
  elements: new Set(allElements().map(({ name }) => name)),
};
