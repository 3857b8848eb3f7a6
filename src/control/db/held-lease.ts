/** Keeps a lease for as long as its holder lives: takes, renews and ends it. */
import type { Lease, Leases } from '../../protocol/ports.ts';

export const leaseLimits = {
  /** Milliseconds that a lease lasts without a renewal: at least two renewals may fail before it expires. */
  ttlMs: 15_000,
  /** Milliseconds between two renewals. */
  renewMs: 5_000,
  /**
   * Milliseconds between two renewals where other controls watch for lost ones (src/control/queues/lost-controls.ts).
   */
  watchedRenewMs: 1_000,
} as const;

export interface HeldLeaseOptions {
  readonly leases: Leases;
  readonly name: string;
  readonly holder: string;
  /** Milliseconds between two renewals; absent: leaseLimits.renewMs. */
  readonly renewMs?: number;
  /** Is called once when another holder has taken the lease. */
  readonly onLost: () => void;
  readonly onError: (error: unknown) => void;
}

export class HeldLease {
  readonly #options: HeldLeaseOptions;
  readonly #timer: NodeJS.Timeout;
  #lease: Lease;
  #isHeld = true;
  #renewing: Promise<void> | null = null;

  private constructor(options: HeldLeaseOptions, lease: Lease) {
    this.#options = options;
    this.#lease = lease;
    this.#timer = setInterval(() => {
      this.#renewing ??= this.#renew().finally(() => {
        this.#renewing = null;
      });
    }, options.renewMs ?? leaseLimits.renewMs);
    this.#timer.unref();
  }

  /** Takes the lease; returns null when another holder has it. */
  static async take(options: HeldLeaseOptions): Promise<HeldLease | null> {
    const { leases, name, holder } = options;
    const lease = await leases.take({ name, holder, ttlMs: leaseLimits.ttlMs });
    return lease === null ? null : new HeldLease(options, lease);
  }

  /** Whether the lease is held, as far as is known: no other holder is known to have taken it. */
  get isHeld(): boolean {
    return this.#isHeld;
  }

  get epoch(): number {
    return this.#lease.epoch;
  }

  /** Ends the lease, so that another holder can take it at once. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#renewing;
    if (!this.#isHeld) return;
    this.#isHeld = false;
    await this.#options.leases.release(this.#lease).catch(this.#options.onError);
  }

  async #renew(): Promise<void> {
    if (!this.#isHeld) return;
    try {
      const renewed = await this.#options.leases.renew(this.#lease, leaseLimits.ttlMs);
      if (renewed !== null) {
        this.#lease = renewed;
        return;
      }
      this.#isHeld = false;
      this.#options.onLost();
    } catch (error) {
      // The database cannot be reached, so no other holder can take the lease meanwhile.
      this.#options.onError(error);
    }
  }
}
