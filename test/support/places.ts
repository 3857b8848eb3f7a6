/** Places for calls that a test takes. */

/** Returns options of CallStore.take: `room` places for any owner, and all calls as candidates. */
export function placesFor(room: number) {
  let free = room;
  return {
    candidates: 1_000,
    reserve: () => {
      if (free === 0) return false;
      free -= 1;
      return true;
    },
    release: () => {
      free += 1;
    },
  };
}
