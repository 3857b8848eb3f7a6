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

export const abis: readonly Abi[] = [cwa, dagger, land, hAbi, wasi, wasiUnstable, ...wasi2];

export const providedFunctions: readonly ProvidedFunction[] = providedBy(abis);
