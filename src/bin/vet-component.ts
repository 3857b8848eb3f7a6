/** Components in the vet child, which loads this file, the linker and WASI 0.2 and 0.3 when a component comes. */
import { vetProgram } from '../guest/component/vet-program.ts';
import { componentAbis, providedInterfaces } from '../guest/kernel/abi/components.ts';
import type { VetOptions } from '../guest/wasm/rewrite.ts';
import type { CheckedProgram } from './checked-program.ts';

/** Links and checks a component; throws as vetProgram does. */
export function checkComponent(bytes: Uint8Array, options: VetOptions): CheckedProgram {
  return { ...vetProgram(bytes, { ...options, ...providedInterfaces }), report: null, abis: componentAbis };
}
