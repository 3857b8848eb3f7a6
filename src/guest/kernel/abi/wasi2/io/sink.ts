/**
 * Writes to a Resource for streams that must not wait. Copies bytes that the Resource does not take at once, and writes
 * them while the guest goes on; until then the stream has no room.
 */
import { KIB } from '../../../../../protocol/limits.ts';
import { StateOf } from '../../../canonical/state.ts';
import { Errno } from '../../../errno.ts';
import { GuestFault } from '../../../memory.ts';
import type { Process } from '../../../process.ts';
import type { Resource } from '../../../resource.ts';
import { isNow, nothing } from '../../../watch.ts';

/**
 * Most bytes that a stream takes at once. Bytes that its Resource has not taken are held outside of the guest's memory.
 */
export const permitBytesMax = 64 * KIB;

/**
 * Sinks that streams share. Handles of one Resource (get-stdout called twice) share one, so that bytes keep their
 * order.
 */
const sharedSinks = new StateOf(() => new Map<Resource, Sink>());

interface Busy {
  readonly pending: Promise<void> | null;
}

/** Output that somebody says has been written. */
class Unwritten implements Busy {
  #written: PromiseWithResolvers<void> | null = null;

  /** Settles when the output has been written. Few ask for it: most output is written when its Process ends. */
  get pending(): Promise<void> {
    this.#written ??= Promise.withResolvers();
    return this.#written.promise;
  }

  end(): void {
    this.#written?.resolve();
  }
}

/** Output for which the Process waits at its end. */
const busyOutput = new StateOf(() => new Set<Busy>());

/**
 * Returns the sink of `resource`, which its user must leave. `isAwaited`: the Process ends only when all bytes have
 * been written, as those of its answer; bytes that are not awaited are lost if the peer has not taken them by then.
 */
export function sinkOf(guest: Process, resource: Resource, { isAwaited = false } = {}): Sink {
  const shared = guest.component.of(sharedSinks);
  let sink = shared.get(resource);
  if (sink === undefined) {
    sink = new Sink(guest, resource, { isAwaited, unused: () => shared.delete(resource) });
    shared.set(resource, sink);
  }
  sink.enter();
  return sink;
}

/**
 * Returns a sink of `resource` as sinkOf does, which its user need not leave: streams share it only if they are given
 * it.
 */
export function ownSinkOf(guest: Process, resource: Resource, { isAwaited }: { readonly isAwaited: boolean }): Sink {
  return new Sink(guest, resource, { isAwaited, unused: nothing });
}

/** Returns the sink that streams of `resource` share; undefined if it has no stream and no write in progress. */
export function usedSinkOf(guest: Process, resource: Resource): Sink | undefined {
  return guest.component.known(sharedSinks)?.get(resource);
}

/** Returns a promise that settles when all awaited output of `guest` has been written; null if it has been. */
export function outputWritten(guest: Process): Promise<void> | null {
  const busy = guest.component.known(busyOutput);
  return busy === undefined || busy.size === 0 ? null : allWritten(busy);
}

/** Makes outputWritten wait for `pending` too, which must not reject. */
export function keepBusy(guest: Process, pending: Promise<void>): void {
  const busy = guest.component.of(busyOutput);
  const one = { pending };
  busy.add(one);
  void pending.then(() => busy.delete(one));
}

/** Makes outputWritten wait until the returned function has been called. */
export function busyUntilCalled(guest: Process): () => void {
  const busy = guest.component.of(busyOutput);
  const one = new Unwritten();
  busy.add(one);
  return () => {
    busy.delete(one);
    one.end();
  };
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
  readonly #guest: Process;
  readonly #isAwaited: boolean;
  readonly #unused: () => void;
  #users = 0;

  /** `unused` is called when the last user has left and nothing is in progress. */
  constructor(
    guest: Process,
    resource: Resource,
    { isAwaited, unused }: { readonly isAwaited: boolean; readonly unused: () => void },
  ) {
    this.#guest = guest;
    this.resource = resource;
    this.#isAwaited = isAwaited;
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
    const busy = this.#isAwaited ? this.#guest.component.of(busyOutput) : null;
    const before = this.pending ?? Promise.resolve();
    const mine = before
      .then(work)
      .catch(() => this.#note(Errno.unknown))
      .then(() => {
        if (this.pending !== mine) return;
        this.pending = null;
        busy?.delete(this);
        this.#checkUsed();
      });
    this.pending = mine;
    busy?.add(this);
  }
}
