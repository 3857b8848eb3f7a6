/**
 * Opens the descriptors of a Process before its guest runs: 0, 1 and 2 for WASI and Dagger, then the preopens of WASI.
 * CommonWA opens standard streams by calls (io_get_*), the first descriptor of Land is 0, and h has none. Components
 * have handles instead, which they get by calls (get-stdout, get-directories).
 */
import type { InstancePlan } from '../../../protocol/module.ts';
import type { Process } from '../process.ts';
import { SharedStream } from '../stdio.ts';
import { openPreopens } from './wasi/wasi.ts';

/** Opens the descriptors of a fresh Process, once, before GuestInstance.run. */
export function layOutDescriptors(guest: Process, plan: Pick<InstancePlan, 'abis'>): void {
  const { stdin, stdout, stderr } = guest.options;
  if (plan.abis.includes('wasi') || plan.abis.includes('dagger')) {
    for (const stream of [stdin, stdout, stderr]) guest.descriptors.add(new SharedStream(stream));
  }
  if (plan.abis.includes('wasi')) openPreopens(guest);
}
