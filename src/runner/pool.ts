/** Slots of one Artifact under one memory limit: takes, returns, restores, refills and shrinks them. */
import { PAGE_BYTES } from '../protocol/limits.ts';
import { poolLimits, reserveLimits, restLimits } from './limits.ts';
import type { Evictable, MemoryBudget } from './memory-budget.ts';
import { ReserveEstimate } from './reserve.ts';
import { type GuestCode, isRecyclable, type MemoryImage, Slot, slotBytes } from './slot.ts';

export class SlotPool implements Evictable {
  readonly #code: GuestCode;
  readonly #budget: MemoryBudget;
  readonly #enter: () => void;
  readonly #reserve: ReserveEstimate;
  /** Whether the size of the reserve is learned. */
  readonly #learns: boolean;
  /** Restored slots. Last in, first out: the memory used last is in the processor's caches. */
  readonly #clean: Slot[] = [];
  /** Used slots that are too large to be restored within a request. */
  readonly #dirty: Slot[] = [];
  /** Whether restoring a slot takes longer than a slice, because an instance must be made. */
  readonly #remakesSlowly: boolean;
  #image: MemoryImage | null = null;
  #isRestoring = false;
  #isRefilling = false;
  /** Slots that were given up because they had outgrown their reserve, and have not been replaced yet. */
  #missing = 0;
  #isClosed = false;
  /** Smallest number of spare slots since the last sweep: as many were not needed. */
  #unneeded = 0;
  /** Number of slots that have been taken and not given back. */
  #taken = 0;
  /** Calls that wait for a slot of another one, longest first. */
  readonly #awaiting = new Set<() => void>();

  /** `enter` is called before the thread is held for these slots: to make, restore or refill them. */
  constructor(code: GuestCode, budget: MemoryBudget, enter: () => void) {
    this.#enter = enter;
    this.#code = code;
    this.#budget = budget;
    const { memory } = code.plan;
    const first = code.exactMemory ? 0 : (memory?.reserve?.pages ?? 0);
    const restorable = poolLimits.restoreMaxBytes / PAGE_BYTES - (memory?.initialPages ?? 0);
    this.#reserve = new ReserveEstimate({ first, most: Math.max(0, Math.min(reserveLimits.pagesMax, restorable)) });
    // 0: the code has no memory.grow, or its Artifact has no reserve.
    this.#learns = first > 0;
    this.#remakesSlowly = code.isSlow === true && !isRecyclable(code.plan);
    budget.join(this);
  }

  /** Number of slots that no invocation has. */
  get spare(): number {
    return this.#clean.length + this.#dirty.length;
  }

  /** Pages that new slots have in reserve. */
  get reservePages(): number {
    return this.#reserve.pages;
  }

  get #slotBytes(): number {
    return slotBytes(this.#code.plan, this.#reserve.pages);
  }

  get #spareMax(): number {
    const fitting = Math.floor((this.#budget.limitBytes * poolLimits.shareOfBytes) / this.#slotBytes);
    return Math.min(poolLimits.sparePerPool, Math.max(1, fitting));
  }

  /** Whether the next `take` makes an instance that holds the thread for longer than a slice. */
  get makesSlowly(): boolean {
    return this.#code.isSlow === true && this.#clean.length === 0;
  }

  /**
   * Resolves with true when a slot comes back that may be taken, with false after `waitMs` milliseconds. `waitMs` null:
   * only such a slot helps: false at once where none can come or too many wait, and after restLimits.waitMs.
   */
  spareWithin(waitMs: number | null): Promise<boolean> {
    const mayCome = !this.#remakesSlowly && this.#taken > 0 && this.#awaiting.size < restLimits.waiting;
    if (waitMs === null && !mayCome) return Promise.resolve(false);
    return new Promise((resolve) => {
      const come = (): void => {
        clearTimeout(timer);
        this.#awaiting.delete(come);
        resolve(true);
      };
      const timer = setTimeout(() => {
        this.#awaiting.delete(come);
        resolve(false);
      }, waitMs ?? restLimits.waitMs);
      this.#awaiting.add(come);
    });
  }

  /** Returns a restored or new slot; null when the runner has no memory left for one. */
  take(): Slot | null {
    const slot = this.#spareOrNew();
    if (slot !== null) this.#taken += 1;
    return slot;
  }

  #spareOrNew(): Slot | null {
    const clean = this.#clean.pop();
    if (clean !== undefined) {
      if (this.spare < this.#unneeded) this.#unneeded = this.spare;
      return clean;
    }
    this.#unneeded = 0;
    const dirty = this.#dirty.pop();
    if (dirty !== undefined && this.#restore(dirty)) return dirty;
    return this.#make();
  }

  /** Returns a slot to the pool. `isSound`: the guest ended by itself, so its instance can be restored. */
  give(slot: Slot, isSound: boolean): void {
    this.#taken -= 1;
    this.account(slot);
    if (this.#learns && isSound) this.#learn(slot.grownPages);
    const isFit = !slot.hasOutgrown && slot.reserveWanted === this.#reserve.pages;
    const isKept = isSound && !this.#isClosed && isFit && slot.restoreBytes <= poolLimits.restoreMaxBytes;
    // An instance is made by the next call, after the owner's rest.
    const rests = this.#code.rests === true;
    const isRemadeLater = this.#remakesSlowly && rests;
    if (!isKept || isRemadeLater || this.spare >= this.#spareMax || this.#budget.isExceeded) {
      this.#drop(slot);
      if (!isFit && !rests && !this.#isClosed && this.spare + this.#missing < this.#spareMax) this.#refillLater();
      return;
    }
    if (slot.restoreBytes > poolLimits.restoreAtOnceBytes || this.#remakesSlowly) {
      this.#dirty.push(slot);
      this.#restoreLater();
    } else if (this.#restore(slot)) this.#keep(slot);
  }

  #keep(slot: Slot): void {
    this.#clean.push(slot);
    const [first] = this.#awaiting;
    first?.();
  }

  /** Updates the budget to the memory's present size. */
  account(slot: Slot): void {
    const { bytes } = slot;
    if (bytes === slot.accountedBytes) return;
    this.#budget.adjust(bytes - slot.accountedBytes);
    slot.accountedBytes = bytes;
  }

  evict(): boolean {
    const slot = this.#dirty.pop() ?? this.#clean.pop();
    if (slot === undefined) return false;
    this.#drop(slot);
    return true;
  }

  /** Releases half of the slots that were not needed since the last sweep; called every poolLimits.sweepMs. */
  sweep(): void {
    const surplus = Math.ceil(this.#unneeded / 2);
    for (let i = 0; i < surplus; i++) this.evict();
    this.#unneeded = this.spare;
  }

  /** Releases all slots; returned ones are released from now on. */
  close(): void {
    this.#isClosed = true;
    while (this.evict());
    for (const come of [...this.#awaiting]) come();
    this.#budget.leave(this);
  }

  #make(): Slot | null {
    const bytes = this.#slotBytes;
    if (!this.#budget.reserve(bytes)) return null;
    this.#enter();
    try {
      const slot = new Slot(this.#code, { image: this.#image, reservePages: this.#reserve.pages });
      this.#image ??= slot.image;
      this.account(slot);
      return slot;
    } catch (error) {
      this.#budget.release(bytes);
      throw error;
    }
  }

  /**
   * Records the pages that a call needed. Slots with another reserve than the estimate are released, and made anew on
   * demand.
   */
  #learn(grownPages: number): void {
    if (this.#reserve.note(grownPages)) while (this.evict());
  }

  /** Restores a part of a slot. Returns true when the slot is restored; a slot that cannot be restored is given up. */
  #restoreSome(slot: Slot): boolean {
    this.#enter();
    try {
      return slot.restoreSome(poolLimits.restorePerTurnBytes);
    } catch {
      this.#dirty.pop();
      this.#drop(slot);
      return false;
    }
  }

  #restore(slot: Slot): boolean {
    this.#enter();
    try {
      slot.restore();
      return true;
    } catch {
      this.#drop(slot);
      return false;
    }
  }

  #drop(slot: Slot): void {
    this.#budget.release(slot.accountedBytes);
  }

  #restoreLater(): void {
    if (this.#isRestoring) return;
    this.#isRestoring = true;
    setImmediate(() => {
      this.#isRestoring = false;
      const slot = this.#dirty.at(-1);
      if (slot === undefined) return;
      if (!this.#restoreSome(slot)) return this.#restoreLater();
      this.#dirty.pop();
      this.#keep(slot);
      if (this.#dirty.length > 0) this.#restoreLater();
    });
  }

  #refillLater(): void {
    this.#missing += 1;
    if (this.#isRefilling) return;
    this.#isRefilling = true;
    setImmediate(() => {
      this.#isRefilling = false;
      this.#missing -= 1;
      if (this.#isClosed || this.spare >= this.#spareMax || this.#budget.isExceeded) {
        this.#missing = 0;
        return;
      }
      try {
        const slot = this.#make();
        if (slot !== null) this.#clean.push(slot);
      } catch {
        // The next request makes the instance and reports the error.
        this.#missing = 0;
      }
      if (this.#missing > 0) {
        this.#missing -= 1;
        this.#refillLater();
      }
    });
  }
}
