/** Lists all ABIs, those of modules and those of components. */
import type { ProvidedFunction } from '../../../protocol/module.ts';
import type { Abi } from '../syscall.ts';
import { componentAbis } from './components.ts';
import { moduleAbis } from './modules.ts';
import { providedBy } from './provided.ts';

export const abis: readonly Abi[] = [...moduleAbis, ...componentAbis];

/** Functions of all ABIs that a person may look up: those that the linker names itself are left out. */
export const listedFunctions: readonly ProvidedFunction[] = providedBy(abis.filter((abi) => abi.isOfLinker !== true));
