/** Places for calls that a test takes. */
import type { CallPlaces } from '../../src/control/calls/waiting-calls.ts';

/** Returns `room` places that any owner may take. */
export function placesFor(room: number): CallPlaces {
  let free = room;
  return {
    room: () => free,
    take: (_, count) => {
      free -= count;
    },
    give: (_, count) => {
      free += count;
    },
  };
}
