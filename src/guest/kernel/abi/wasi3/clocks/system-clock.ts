/** wasi:clocks/system-clock: the time of day. */
import { func, record } from '../../../../component/wit.ts';
import { witInterface, witRow } from '../../../canonical/row.ts';
import type { Process } from '../../../process.ts';
import { wallNs } from '../../wasi2/clocks/wall-clock.ts';

export interface Instant {
  /** Unix seconds, rounded down. */
  readonly seconds: bigint;
  readonly nanoseconds: number;
}

export const instantType = record({ seconds: 's64', nanoseconds: 'u32' });

const billion = 1_000_000_000n;

/** Returns the instant of `unixNs`, Unix nanoseconds that are not negative. */
export function toInstant(unixNs: bigint): Instant {
  return { seconds: unixNs / billion, nanoseconds: Number(unixNs % billion) };
}

/** Returns Unix nanoseconds; null for an invalid instant (nanoseconds of a second or more). */
export function fromInstant({ seconds, nanoseconds }: Instant): bigint | null {
  return nanoseconds < Number(billion) ? seconds * billion + BigInt(nanoseconds) : null;
}

/** Returns the time since 1970. The clock may go back. */
const now = witRow('now', func({}, instantType), (guest: Process) => toInstant(wallNs(guest)));

/** Returns the resolution of the clock: 1 ms. */
const getResolution = witRow('get-resolution', func({}, 'u64'), () => 1_000_000n);

export const systemClock = witInterface('wasi3', 'wasi:clocks/system-clock@0.3', [now, getResolution]);
