/** wasi:clocks/monotonic-clock: a clock that never goes back, and waits. */
import { asyncFunc, func } from '../../../../component/wit.ts';
import { witInterface, witRow } from '../../../canonical/row.ts';
import type { Process } from '../../../process.ts';
import { somethingHappens } from '../../../watch.ts';

/** Returns the time in nanoseconds since some point in the past. */
const now = witRow('now', func({}, 'u64'), (guest: Process) => guest.options.clock.monotonicNs());

/** Returns the resolution of the clock: 1 ns. */
const getResolution = witRow('get-resolution', func({}, 'u64'), () => 1n);

/** Waits until the time `when`. */
const waitUntil = witRow(
  'wait-until',
  asyncFunc({ when: 'u64' }),
  (guest: Process, when: bigint) => sleep(guest, when),
  { waits: true },
);

/** Waits for `how-long` nanoseconds. */
const waitFor = witRow(
  'wait-for',
  asyncFunc({ 'how-long': 'u64' }),
  (guest: Process, howLong: bigint) => sleep(guest, guest.options.clock.monotonicNs() + howLong),
  { waits: true },
);

function sleep(guest: Process, untilNs: bigint): Promise<void> | undefined {
  const left = untilNs - guest.options.clock.monotonicNs();
  if (left <= 0n) return undefined;
  const { cancelled } = guest.component;
  return somethingHappens(guest, cancelled === null ? [] : [aborted(cancelled)], left).then(() =>
    guest.end !== null || cancelled?.aborted === true ? undefined : sleep(guest, untilNs),
  );
}

/** Resolves when `signal` is aborted. */
function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

export const monotonicClock = witInterface('wasi3', 'wasi:clocks/monotonic-clock@0.3', [
  now,
  getResolution,
  waitUntil,
  waitFor,
]);
