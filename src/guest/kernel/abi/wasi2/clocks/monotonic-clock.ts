/** wasi:clocks/monotonic-clock: a clock that never goes back, and timers. */
import { func, own } from '../../../../component/wit.ts';
import { witInterface, witRow } from '../../../canonical/row.ts';
import type { Process } from '../../../process.ts';
import { Pollable, pollableResource } from '../io/poll.ts';

const name = 'wasi:clocks/monotonic-clock@0.2';

/** Returns the time in nanoseconds since some point in the past. */
const now = witRow('now', func({}, 'u64'), (guest: Process) => guest.options.clock.monotonicNs());

/** Returns the resolution of the clock: 1 ns. */
const resolution = witRow('resolution', func({}, 'u64'), () => 1n);

/** Returns a pollable that is ready from time `when` on. */
const subscribeInstant = witRow(
  'subscribe-instant',
  func({ when: 'u64' }, own(pollableResource)),
  (_guest: Process, when: bigint) => timer(when),
);

/** Returns a pollable that is ready from `when` nanoseconds from now on. */
const subscribeDuration = witRow(
  'subscribe-duration',
  func({ when: 'u64' }, own(pollableResource)),
  (guest: Process, when: bigint) => timer(guest.options.clock.monotonicNs() + when),
);

function timer(atNs: bigint): Pollable {
  const readiness = { atNs };
  return new Pollable(null, () => readiness);
}

export const monotonicClock = witInterface('wasi2', name, [now, resolution, subscribeInstant, subscribeDuration]);
