import type { Abi } from '../guest/kernel/syscall.ts';
import type { RewrittenModule, StartUpReport } from '../protocol/module.ts';

/** A program that has passed the checks of its bytes in the vet child; it is not measured yet. */
export interface CheckedProgram {
  readonly module: RewrittenModule;
  /** The rewritten module. */
  readonly bytes: Uint8Array;
  /** What its start-up did; null: no snapshot was taken. */
  readonly report: StartUpReport | null;
  /** ABIs that its instances may import. */
  readonly abis: readonly Abi[];
}
