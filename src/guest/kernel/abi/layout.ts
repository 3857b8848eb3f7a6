/**
 * What a Process has open before its guest runs. WASI and Dagger know standard input, output and
 * error as 0, 1 and 2; CommonWA asks for them (io_get_*), Land's first descriptor is 0, h has none.
 */
import type { InstancePlan } from '../../../protocol/module.ts';
import type { Process } from '../process.ts';
import { SharedStream } from '../stdio.ts';
import { openPreopens } from './wasi/wasi.ts';

/** Call once for a fresh Process, before GuestInstance.run. */
export function layOutDescriptors(guest: Process, plan: Pick<InstancePlan, 'abis'>): void {
  const { stdin, stdout, stderr } = guest.options;
  if (plan.abis.includes('wasi') || plan.abis.includes('dagger')) {
    for (const stream of [stdin, stdout, stderr]) guest.descriptors.add(new SharedStream(stream));
  }
  if (plan.abis.includes('wasi')) openPreopens(guest);
}
