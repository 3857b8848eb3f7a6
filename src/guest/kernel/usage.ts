/**
 * Sums up the use of a Process in the form of an InvocationRecord, for the usage event of a runner and for
 * `run --stats`.
 */
import type { InstancePlan } from '../../protocol/module.ts';
import type { InvocationRecord } from '../../protocol/nouns.ts';
import type { Process } from './process.ts';

export type ProcessUsage = Pick<InvocationRecord, 'gas' | 'memoryPages' | 'syscalls' | 'io' | 'logLines'>;

/**
 * Returns the use of `guest`. Must be called after GuestInstance.run and before the instance runs again: the counters
 * are the instance's. A call imported from two modules (cwa.log_write and env.log_write) is one system call; the
 * functions of an interface of components (wasi:io/streams) are counted together. Memory never shrinks, so its final
 * size is its peak.
 */
export function processUsage(guest: Process, plan: InstancePlan): ProcessUsage {
  const syscalls: Record<string, { count: number; waitMs: number }> = {};
  plan.imports.forEach(({ module, name: imported }, index) => {
    const count = guest.counts?.[index] ?? 0;
    if (count === 0) return;
    const name = usageName(module, imported);
    if (name === null) return;
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

/**
 * Returns the name under which calls of an import are counted: that of its interface if it has one; null for calls that
 * the linker of components adds.
 */
function usageName(module: string, name: string): string | null {
  if (module.startsWith('trisiel:')) return null;
  return module.includes(':') ? module.replace(/@.*$/, '') : name;
}
