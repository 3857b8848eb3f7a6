/** Lists the ABIs that modules may mix, in the order of detection. */
import type { ProvidedFunction } from '../../../protocol/module.ts';
import type { Abi } from '../syscall.ts';
import { cwa } from './cwa/cwa.ts';
import { dagger } from './dagger/dagger.ts';
import { hAbi } from './h/h.ts';
import { land } from './land/land.ts';
import { providedBy } from './provided.ts';
import { wasi, wasiUnstable } from './wasi/wasi.ts';

export const moduleAbis: readonly Abi[] = [cwa, dagger, land, hAbi, wasi, wasiUnstable];

export const providedFunctions: readonly ProvidedFunction[] = providedBy(moduleAbis);
