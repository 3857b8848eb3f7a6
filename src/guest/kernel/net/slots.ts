/**
 * Sockets to the outside are counted: a runner has so many, a handler so many of them. Who finds none
 * left waits in line; one given back goes to the waiting handler that holds the fewest. Waiting is
 * bounded by the invocations in flight, for a guest waits for one connection at a time.
 */
import { Errno } from '../errno.ts';
import { NetworkFailure } from './failure.ts';

export interface SlotLimits {
  readonly max: number;
  readonly perShareMax: number;
}

/** The right to one socket. */
export interface ConnectionSlot {
  /** Gives it back; once, later calls do nothing. */
  release(): void;
}

interface Waiter {
  readonly grant: (slot: ConnectionSlot) => void;
  readonly fail: () => void;
}

export class ConnectionSlots {
  readonly limits: SlotLimits;
  readonly #shares = new Set<SlotShare>();
  #held = 0;

  constructor(limits: SlotLimits) {
    this.limits = limits;
  }

  get held(): number {
    return this.#held;
  }

  /** A handler's share. `evict` closes one idle connection and gives its slot back, or says false. */
  share(evict: () => boolean): SlotShare {
    const share = new SlotShare(this, evict);
    this.#shares.add(share);
    return share;
  }

  /** Whether `share` may take one more now; idle connections, its own or others', make room for it. */
  makeRoom(share: SlotShare): boolean {
    if (share.held >= this.limits.perShareMax) share.evict();
    if (this.#held >= this.limits.max) {
      for (const other of this.#shares) if (other.evict()) break;
    }
    // Looked at again: what was given back may have gone to somebody in line.
    return share.held < this.limits.perShareMax && this.#held < this.limits.max;
  }

  /** Whether somebody could use a slot that `share` holds for an idle connection. */
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
  held = 0;
  readonly waiters = new Set<Waiter>();
  readonly evict: () => boolean;
  readonly #slots: ConnectionSlots;

  constructor(slots: ConnectionSlots, evict: () => boolean) {
    this.#slots = slots;
    this.evict = evict;
  }

  /** Whether an idle connection's slot would be of use to somebody. */
  get isWanted(): boolean {
    return this.#slots.isWanted(this);
  }

  /** Waits in line where none is left. Throws NetworkFailure closed when `signal` is aborted first. */
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

  /** The handler is gone: who waits gets nothing; what is held is given back by its holders. */
  close(): void {
    this.#slots.forget(this);
    for (const waiter of [...this.waiters]) waiter.fail();
  }
}

function givenUp(): NetworkFailure {
  return new NetworkFailure(Errno.closed, 'given up waiting for a free connection: the invocation has ended');
}
