/**
 * Limits the outbound sockets of a runner and of each of its handlers. A call that finds none left waits in line; a
 * returned socket goes to the waiting handler that holds the fewest. The invocations in flight bound the line, since a
 * guest waits for one connection at a time.
 */
import { Errno } from '../errno.ts';
import { NetworkFailure } from './failure.ts';

/** Most sockets of the runner, and of each of its handlers. */
export interface SlotLimits {
  readonly max: number;
  readonly perShareMax: number;
}

/** The right to open one socket. */
export interface ConnectionSlot {
  /** Returns the slot. Does nothing after the first call. */
  release(): void;
}

interface Waiter {
  readonly grant: (slot: ConnectionSlot) => void;
  readonly fail: () => void;
}

export class ConnectionSlots {
  readonly limits: SlotLimits;
  readonly #shares = new Set<SlotShare>();
  /** Number of slots that are taken. */
  #held = 0;

  constructor(limits: SlotLimits) {
    this.limits = limits;
  }

  /** Number of sockets that the runner's handlers hold. */
  get held(): number {
    return this.#held;
  }

  /** Makes the share of a handler. `evict` closes one idle connection, which returns its slot, or returns false. */
  share(evict: () => boolean): SlotShare {
    const share = new SlotShare(this, evict);
    this.#shares.add(share);
    return share;
  }

  /** Returns whether `share` may take one more slot now. Closes idle connections of any handler to make room. */
  makeRoom(share: SlotShare): boolean {
    if (share.held >= this.limits.perShareMax) share.evict();
    if (this.#held >= this.limits.max) {
      for (const other of this.#shares) if (other.evict()) break;
    }
    // Compares again: a returned slot may have gone to a call in line.
    return share.held < this.limits.perShareMax && this.#held < this.limits.max;
  }

  /** Returns whether a waiting call could use the slot of an idle connection of `share`. */
  isWanted(share: SlotShare): boolean {
    if (share.waiters.size > 0) return true;
    if (this.#held < this.limits.max) return false;
    for (const other of this.#shares) if (other.waiters.size > 0) return true;
    return false;
  }

  take(share: SlotShare): ConnectionSlot {
    this.#held += 1;
    share.held += 1;
    let isHeld = true;
    return {
      release: () => {
        if (!isHeld) return;
        isHeld = false;
        this.#held -= 1;
        share.held -= 1;
        this.#grant();
      },
    };
  }

  forget(share: SlotShare): void {
    this.#shares.delete(share);
  }

  #grant(): void {
    while (this.#held < this.limits.max) {
      let poorest: SlotShare | null = null;
      for (const share of this.#shares) {
        if (share.waiters.size === 0 || share.held >= this.limits.perShareMax) continue;
        if (poorest === null || share.held < poorest.held) poorest = share;
      }
      if (poorest === null) return;
      for (const first of poorest.waiters) {
        poorest.waiters.delete(first);
        first.grant(this.take(poorest));
        break;
      }
    }
  }
}

export class SlotShare {
  /** Number of slots that the handler holds. */
  held = 0;
  readonly waiters = new Set<Waiter>();
  readonly evict: () => boolean;
  readonly #slots: ConnectionSlots;

  constructor(slots: ConnectionSlots, evict: () => boolean) {
    this.#slots = slots;
    this.evict = evict;
  }

  /** Whether a waiting call could use the slot of an idle connection. */
  get isWanted(): boolean {
    return this.#slots.isWanted(this);
  }

  /**
   * Returns a slot, after waiting in line if none is left. Throws NetworkFailure closed if `signal` is aborted first.
   */
  acquire(signal: AbortSignal): Promise<ConnectionSlot> {
    if (signal.aborted) return Promise.reject(givenUp());
    if (this.waiters.size === 0 && this.#slots.makeRoom(this)) return Promise.resolve(this.#slots.take(this));
    return new Promise<ConnectionSlot>((resolve, reject) => {
      const onAbort = () => {
        this.waiters.delete(waiter);
        reject(givenUp());
      };
      const waiter: Waiter = {
        grant: (slot) => {
          signal.removeEventListener('abort', onAbort);
          resolve(slot);
        },
        fail: () => {
          signal.removeEventListener('abort', onAbort);
          onAbort();
        },
      };
      signal.addEventListener('abort', onAbort);
      this.waiters.add(waiter);
    });
  }

  /** Ends the share: calls in line fail, and the holders of slots return them. */
  close(): void {
    this.#slots.forget(this);
    for (const waiter of [...this.waiters]) waiter.fail();
  }
}

function givenUp(): NetworkFailure {
  return new NetworkFailure(Errno.closed, 'given up waiting for a free connection: the invocation has ended');
}
