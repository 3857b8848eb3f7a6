/** Places for calls that a test takes. */

/** Returns what CallStore.take asks for places: `room` of them, whoever the owner is, and all calls looked at. */
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
