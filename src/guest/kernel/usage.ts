/**
 * Sums up what a Process has used, as the InvocationRecord says it: for the usage event of a runner and `run
 * --stats`.
 */
import type { InstancePlan } from '../../protocol/module.ts';
import type { InvocationRecord } from '../../protocol/nouns.ts';
import type { Process } from './process.ts';

export type ProcessUsage = Pick<InvocationRecord, 'gas' | 'memoryPages' | 'syscalls' | 'io' | 'logLines'>;

/**
 * Returns what `guest` has used. To be called after GuestInstance.run and before the instance runs again: the
 * counters are the instance's. A call imported from two modules (cwa.log_write and env.log_write) is one system call.
 * Memory never shrinks, so its final size is its peak.
 */
export function processUsage(guest: Process, plan: InstancePlan): ProcessUsage {
  const syscalls: Record<string, { count: number; waitMs: number }> = {};
  plan.imports.forEach(({ name }, index) => {
    const count = guest.counts?.[index] ?? 0;
    if (count === 0) return;
    const waitMs = guest.waitsMs?.[index] ?? 0;
    const known = Object.hasOwn(syscalls, name) ? syscalls[name] : undefined;
    if (known === undefined) syscalls[name] = { count, waitMs };
    else {
      known.count += count;
      known.waitMs += waitMs;
    }
  });
  const io: Record<string, { bytesIn: number; bytesOut: number }> = {};
  for (const [scheme, { bytesIn, bytesOut }] of guest.io) io[scheme] = { bytesIn, bytesOut };
  return {
    gas: guest.meter.used,
    memoryPages: guest.memory.pages,
    syscalls,
    io,
    logLines: guest.logLines,
  };
}
