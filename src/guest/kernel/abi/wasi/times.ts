/** Reads fstflags: which timestamps fd_filestat_set_times and path_filestat_set_times set, and to what. */
import type { Times } from '../../fs/node.ts';
import type { Process } from '../../process.ts';

const Flag = { atim: 1, atimNow: 2, mtim: 4, mtimNow: 8 } as const;
const flagsAll = 15;

export interface TimesCall {
  /** Unix nanoseconds, u64. */
  readonly atim: bigint;
  readonly mtim: bigint;
  readonly flags: number;
}

/** Returns the times to set; null (inval) if the flags contradict each other or have no meaning. */
export function timesFrom(guest: Process, { atim, mtim, flags }: TimesCall): Times | null {
  if ((flags & ~flagsAll) !== 0) return null;
  if ((flags & Flag.atim) !== 0 && (flags & Flag.atimNow) !== 0) return null;
  if ((flags & Flag.mtim) !== 0 && (flags & Flag.mtimNow) !== 0) return null;
  const now = BigInt(Math.round(guest.options.clock.wallMs() * 1000)) * 1000n;
  const pick = (set: number, setNow: number, value: bigint): bigint | null => {
    if ((flags & set) !== 0) return BigInt.asUintN(64, value);
    return (flags & setNow) !== 0 ? now : null;
  };
  return { atimNs: pick(Flag.atim, Flag.atimNow, atim), mtimNs: pick(Flag.mtim, Flag.mtimNow, mtim) };
}
