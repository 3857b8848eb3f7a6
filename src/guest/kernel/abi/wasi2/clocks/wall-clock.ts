/** wasi:clocks/wall-clock: the time of day. */
import { func, record } from '../../../../component/wit.ts';
import { witInterface, witRow } from '../../../canonical/row.ts';
import type { Process } from '../../../process.ts';

const name = 'wasi:clocks/wall-clock@0.2';

export interface Datetime {
  /** Unix seconds. */
  readonly seconds: bigint;
  readonly nanoseconds: number;
}

export const datetimeType = record({ seconds: 'u64', nanoseconds: 'u32' });

const billion = 1_000_000_000n;

/** Returns the datetime of `unixNs`, Unix nanoseconds that are not negative. */
export function toDatetime(unixNs: bigint): Datetime {
  return { seconds: unixNs / billion, nanoseconds: Number(unixNs % billion) };
}

/** Returns Unix nanoseconds; null for an invalid datetime (nanoseconds of a second or more). */
export function fromDatetime({ seconds, nanoseconds }: Datetime): bigint | null {
  return nanoseconds < Number(billion) ? seconds * billion + BigInt(nanoseconds) : null;
}

/** Returns the time of the guest's clock in Unix nanoseconds, rounded to microseconds. */
export function wallNs(guest: Process): bigint {
  return BigInt(Math.round(guest.options.clock.wallMs() * 1000)) * 1000n;
}

/** Returns the time since 1970. The clock may go back. */
const now = witRow('now', func({}, datetimeType), (guest: Process) => toDatetime(wallNs(guest)));

/** Returns the resolution of the clock: 1 ms. */
const resolution = witRow('resolution', func({}, datetimeType), () => ({ seconds: 0n, nanoseconds: 1_000_000 }));

export const wallClock = witInterface('wasi2', name, [now, resolution]);
