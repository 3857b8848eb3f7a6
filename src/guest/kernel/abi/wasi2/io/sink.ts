/**
 * Writes to a Resource for streams that must not wait. Copies bytes that the Resource does not take at once, and writes
 * them while the guest goes on; until then the stream has no room.
 */
import { KIB } from '../../../../../protocol/limits.ts';
import type { StateOf } from '../../../canonical/state.ts';
import { Errno } from '../../../errno.ts';
import { GuestFault } from '../../../memory.ts';
import type { Process } from '../../../process.ts';
import type { Resource } from '../../../resource.ts';
import { isNow } from '../../../watch.ts';

/**
 * Most bytes that a stream takes at once. Bytes that its Resource has not taken are held outside of the guest's memory.
 */
export const permitBytesMax = 64 * KIB;

/**
 * Sinks of one Process. Handles of one Resource (get-stdout called twice) share a sink, so that bytes keep their order.
 */
interface Sinks {
  readonly byResource: Map<Resource, Sink>;
  readonly busy: Set<Busy>;
}

interface Busy {
  readonly pending: Promise<void> | null;
}

const sinksState: StateOf<Sinks> = { make: () => ({ byResource: new Map(), busy: new Set() }) };

function sinks(guest: Process): Sinks {
  return guest.component.of(sinksState);
}

/**
 * Returns the sink of `resource`, which its user must leave. `isAwaited`: the Process ends only when all bytes have been written, as those of its
 * answer; bytes that are not awaited are lost if the peer has not taken them by then.
 */
export function sinkOf(guest: Process, resource: Resource, { isAwaited = false } = {}): Sink {
  const { byResource, busy } = sinks(guest);
  let sink = byResource.get(resource);
  if (sink === undefined) {
    sink = new Sink(resource, { busy: isAwaited ? busy : null, unused: () => byResource.delete(resource) });
    byResource.set(resource, sink);
  }
  sink.enter();
  return sink;
}

/** Returns the sink that streams of `resource` share; undefined if it has no stream and no write in progress. */
export function usedSinkOf(guest: Process, resource: Resource): Sink | undefined {
  return sinks(guest).byResource.get(resource);
}

/** Returns a promise that settles when all awaited output of `guest` has been written; null if it has been. */
export function outputWritten(guest: Process): Promise<void> | null {
  const { busy } = sinks(guest);
  return busy.size === 0 ? null : allWritten(busy);
}

/** Makes outputWritten wait for `pending` too, which must not reject. */
export function keepBusy(guest: Process, pending: Promise<void>): void {
  const { busy } = sinks(guest);
  const one = { pending };
  busy.add(one);
  void pending.then(() => busy.delete(one));
}

async function allWritten(busy: ReadonlySet<Busy>): Promise<void> {
  while (busy.size > 0) await Promise.all([...busy].map(({ pending }) => pending));
}

export class Sink {
  readonly resource: Resource;
  /** Settles when all requested operations are done; null if none is in progress. Never rejects. */
  pending: Promise<void> | null = null;
  /** Errno of the operation that failed; 0: none. After a failure the Resource gets no more bytes. */
  failed = 0;
  /** Number of bytes that streams have taken and the Resource has not. */
  pendingBytes = 0;
  readonly #busy: Set<Busy> | null;
  readonly #unused: () => void;
  #users = 0;

  /** `unused` is called when the last user has left and nothing is in progress. */
  constructor(resource: Resource, { busy, unused }: { readonly busy: Set<Busy> | null; readonly unused: () => void }) {
    this.resource = resource;
    this.#busy = busy;
    this.#unused = unused;
  }

  enter(): void {
    this.#users += 1;
  }

  leave(): void {
    this.#users -= 1;
    this.#checkUsed();
  }

  #checkUsed(): void {
    if (this.#users === 0 && this.pending === null) this.#unused();
  }

  /** Returns the number of bytes that may be written now. */
  room(): number {
    if (this.pending !== null) return 0;
    return isNow(this.resource.writable?.() ?? null) ? permitBytesMax : 0;
  }

  /** Returns null if room() may be more than 0, else a promise to wait for. */
  roomLater(): Promise<void> | null {
    if (this.pending !== null) return this.pending;
    return this.failed === 0 ? (this.resource.writable?.() ?? null) : null;
  }

  /** Takes all of `bytes`, a view that is not kept. Sets `failed`, now or later, if the write fails. */
  write(guest: Process, bytes: Uint8Array): void {
    const done = this.pending === null ? this.#writeNow(guest, bytes) : 0;
    if (done === bytes.length || this.failed !== 0) return;
    const rest = bytes.slice(done);
    if (!guest.held.take(rest.length))
      throw new GuestFault('the streams of this invocation hold too many unsent bytes');
    this.pendingBytes += rest.length;
    this.next(async () => {
      await this.#writeAll(guest, rest);
      this.pendingBytes -= rest.length;
      guest.held.give(rest.length);
    });
  }

  /** Flushes the Resource after all written bytes. */
  flush(guest: Process): void {
    if (this.failed !== 0) return;
    if (this.pending !== null) {
      this.next(async () => {
        if (this.failed === 0 && guest.end === null) this.#note(await this.resource.flush());
      });
      return;
    }
    const flushed = this.resource.flush();
    if (typeof flushed === 'number') this.#note(flushed);
    else
      this.next(async () => {
        this.#note(await flushed);
      });
  }

  /** Writes bytes at once. Returns the number that the Resource took. */
  #writeNow(guest: Process, bytes: Uint8Array): number {
    let done = 0;
    while (done < bytes.length) {
      const result = this.resource.write(bytes.subarray(done));
      if (typeof result !== 'number') {
        isNow(result);
        return done;
      }
      // A Resource that takes 0 bytes without a promise takes none later either.
      this.#note(result === 0 ? Errno.noSpace : result);
      if (result <= 0) return done;
      guest.account(this.resource.scheme, 0, result);
      done += result;
    }
    return done;
  }

  async #writeAll(guest: Process, bytes: Uint8Array): Promise<void> {
    let done = 0;
    while (done < bytes.length && this.failed === 0 && guest.end === null) {
      const result = this.resource.write(bytes.subarray(done));
      if (typeof result !== 'number') {
        await result;
        continue;
      }
      this.#note(result === 0 ? Errno.noSpace : result);
      if (result <= 0) return;
      guest.account(this.resource.scheme, 0, result);
      done += result;
    }
  }

  #note(result: number): void {
    if (result < 0 && this.failed === 0) this.failed = result;
  }

  /** Runs `work` after all earlier operations. Until it is done, the stream has no room. */
  next(work: () => Promise<void>): void {
    const before = this.pending ?? Promise.resolve();
    const mine = before
      .then(work)
      .catch(() => this.#note(Errno.unknown))
      .then(() => {
        if (this.pending !== mine) return;
        this.pending = null;
        this.#busy?.delete(this);
        this.#checkUsed();
      });
    this.pending = mine;
    this.#busy?.add(this);
  }
}
