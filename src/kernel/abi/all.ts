/** The ABIs a guest may mix, in the order of detection. */
import type { Abi } from '../syscall.ts';

export const abis: readonly Abi[] = [];
