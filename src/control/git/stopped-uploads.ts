/**
 * Remembers uploads that were answered before their end. git's own HTTP client then stops sending, but git sends the
 * rest of its pack in further requests, as if each were a push: chunked ones, and at last one with a Content-Length.
 * git takes all their answers as one, and prints the report when the answers and its pack have ended.
 */
import { flushPkt, pktLine, sideband } from './pkt-line.ts';

/** Milliseconds from one request to the next; git sends it as soon as the previous one is answered. */
const rememberedMs = 60_000;
/** Uploads remembered; above it the oldest is dropped. */
const uploadsMax = 1_000;

export class StoppedUploads {
  readonly #now: () => number;
  /** Oldest first. `untilMs`: milliseconds of `now` until which the upload is remembered. */
  readonly #uploads = new Map<string, { readonly untilMs: number; readonly end: Buffer }>();

  /** Remembers nothing yet. `now`: milliseconds that never jump. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /**
   * Remembers a push of `userId` to `repository` that is answered before its end. `end`: end of the answer, sent with
   * the last of the further requests.
   */
  note(userId: string, repository: string, end: Buffer): void {
    const key = keyOf(userId, repository);
    this.#uploads.delete(key);
    this.#uploads.set(key, { untilMs: this.#now() + rememberedMs, end });
    const [oldest] = this.#uploads.keys();
    if (this.#uploads.size > uploadsMax && oldest !== undefined) this.#uploads.delete(oldest);
  }

  /** Returns the end of the answer to a remembered push; null for any other push. */
  endOf(userId: string, repository: string): Buffer | null {
    const upload = this.#uploads.get(keyOf(userId, repository));
    return upload !== undefined && upload.untilMs > this.#now() ? upload.end : null;
  }
}

/** Answer to a further request that is not the last: an empty packet, since git accepts no empty answer. */
export const goOnPkt: Buffer = pktLine(Buffer.of(1));

/**
 * Returns an answer in the two parts that git's own client needs when its upload is stopped: after a complete answer,
 * git would end before the last of its further requests is answered, and fail.
 */
export function splitAnswer(text: string, report: Buffer): { readonly begin: Buffer; readonly end: Buffer } {
  return { begin: sideband(2, text), end: Buffer.concat([sideband(1, report), flushPkt]) };
}

/**
 * Returns whether `userAgent` is git's own client; others, such as libgit2 (`git/2.0 (libgit2 …)`), need a complete
 * answer.
 */
export function isGitItself(userAgent: string | undefined): boolean {
  return /^git\/[^ ]+$/.test(userAgent ?? '');
}

function keyOf(userId: string, repository: string): string {
  return `${userId}/${repository}`;
}
