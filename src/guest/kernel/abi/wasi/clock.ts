/** Implements WASI `clock_*`. */
import type { Process } from '../../process.ts';
import { Wasi } from './errno.ts';
import { wasiRow } from './row.ts';

export const ClockId = { realtime: 0, monotonic: 1, processCpu: 2, threadCpu: 3 } as const;

/** Resolution of each clock in nanoseconds. */
const resolutionNs: Readonly<Record<number, bigint>> = {
  [ClockId.realtime]: 1_000_000n,
  [ClockId.monotonic]: 1n,
  [ClockId.processCpu]: 1n,
  [ClockId.threadCpu]: 1n,
};

/**
 * Returns the time of clock `id` in nanoseconds; null for an unknown clock. CPU time is the gas used, one nanosecond
 * each: it grows with the work of the guest alone, and shows nothing of other Processes.
 */
export function clockNs(guest: Process, id: number): bigint | null {
  const { clock } = guest.options;
  if (id === ClockId.realtime) return BigInt(Math.round(clock.wallMs() * 1000)) * 1000n;
  if (id === ClockId.monotonic) return clock.monotonicNs();
  if (id === ClockId.processCpu || id === ClockId.threadCpu) return BigInt(Math.max(0, guest.meter.used));
  return null;
}

/**
 * Writes the resolution of clock `id` in nanoseconds (u64) to `resolution`.
 *
 * Errors: inval no such clock.
 */
export const clockResGet = wasiRow(
  'clock_res_get',
  ['id', 'resolution'],
  false,
  (guest: Process, id: number, pointer: number) => {
    const resolution = resolutionNs[id];
    if (resolution === undefined) return Wasi.inval;
    guest.memory.setU64(pointer, resolution);
    return Wasi.success;
  },
);

/**
 * Writes the time of clock `id` in nanoseconds (u64) to `time`: 0 realtime (since 1970), 1 monotonic, 2 and 3 the CPU
 * time of process and thread, which is the gas used, 1 ns each. `precision` is ignored: every precision is met.
 *
 * Errors: inval no such clock.
 */
export const clockTimeGet = wasiRow(
  'clock_time_get',
  ['id', 'precision:i64', 'time'],
  false,
  (guest: Process, id: number, _precision: bigint, pointer: number) => {
    const time = clockNs(guest, id);
    if (time === null) return Wasi.inval;
    guest.memory.setU64(pointer, time);
    return Wasi.success;
  },
);
