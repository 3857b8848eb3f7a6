/**
 * Uploads that were answered before their end. git's HTTP client stops sending then, but git goes on with the
 * rest of its pack in further requests, as if each were a push of its own, and reports the answer to the first
 * one when the pack is at its end. Those requests are known by their repository and user.
 */

/** Milliseconds from one request to the next; git sends it as soon as the one before is answered. */
const rememberedMs = 60_000;
/** Uploads remembered; the oldest gives way. */
const uploadsMax = 1_000;

export class StoppedUploads {
  readonly #now: () => number;
  /** Oldest first: key -> milliseconds of `now` until which it is remembered. */
  readonly #until = new Map<string, number>();

  /** `now`: milliseconds that never jump. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Remembers that a push of `userId` to `repository` has been answered before its end. */
  note(userId: string, repository: string): void {
    const key = keyOf(userId, repository);
    this.#until.delete(key);
    this.#until.set(key, this.#now() + rememberedMs);
    const [oldest] = this.#until.keys();
    if (this.#until.size > uploadsMax && oldest !== undefined) this.#until.delete(oldest);
  }

  has(userId: string, repository: string): boolean {
    return (this.#until.get(keyOf(userId, repository)) ?? Number.NEGATIVE_INFINITY) > this.#now();
  }
}

function keyOf(userId: string, repository: string): string {
  return `${userId}/${repository}`;
}
