/** Slots of one Artifact under one memory limit: taken, given back, restored, refilled, shrunk. */
import { PAGE_BYTES } from '../protocol/limits.ts';
import { poolLimits, reserveLimits } from './limits.ts';
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
  /** As new. Last in, first out: the memory used last is in the processor's caches. */
  readonly #clean: Slot[] = [];
  /** Used, too large to be restored within a request. */
  readonly #dirty: Slot[] = [];
  /** Whether setting a slot back takes longer than a slice: an instance is made for it. */
  readonly #remakesSlowly: boolean;
  #image: MemoryImage | null = null;
  #isRestoring = false;
  #isRefilling = false;
  /** Slots given up because they had outgrown their reserve, not replaced yet. */
  #missing = 0;
  #isClosed = false;
  /** Least number of spare slots since the last sweep: that many nobody has needed. */
  #unneeded = 0;

  /** `enter` is called whenever the thread is about to be held for these slots: to make, to restore, to refill. */
  constructor(code: GuestCode, budget: MemoryBudget, enter: () => void) {
    this.#enter = enter;
    this.#code = code;
    this.#budget = budget;
    const { memory } = code.plan;
    const first = code.exactMemory ? 0 : (memory?.reserve?.pages ?? 0);
    const restorable = poolLimits.restoreMaxBytes / PAGE_BYTES - (memory?.initialPages ?? 0);
    this.#reserve = new ReserveEstimate({ first, most: Math.max(0, Math.min(reserveLimits.pagesMax, restorable)) });
    // 0: the code has no memory.grow, or its Artifact knows no reserve.
    this.#learns = first > 0;
    this.#remakesSlowly = code.isSlow === true && !isRecyclable(code.plan);
    budget.join(this);
  }

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

  /** Whether the next `take` holds the thread for longer than a slice: it makes an instance, which takes that long. */
  get makesSlowly(): boolean {
    return this.#code.isSlow === true && this.#clean.length === 0;
  }

  /** A slot as new; null where the runner has no memory left for one. */
  take(): Slot | null {
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

  /** `isSound`: the guest ended by itself, so nothing about its instance is in doubt. */
  give(slot: Slot, isSound: boolean): void {
    this.account(slot);
    if (this.#learns && isSound) this.#learn(slot.grownPages);
    const isFit = !slot.hasOutgrown && slot.reserveWanted === this.#reserve.pages;
    const isKept = isSound && !this.#isClosed && isFit && slot.restoreBytes <= poolLimits.restoreMaxBytes;
    if (!isKept || this.spare >= this.#spareMax || this.#budget.isExceeded) {
      this.#drop(slot);
      if (!isFit && !this.#isClosed && this.spare + this.#missing < this.#spareMax) this.#refillLater();
      return;
    }
    if (slot.restoreBytes > poolLimits.restoreAtOnceBytes || this.#remakesSlowly) {
      this.#dirty.push(slot);
      this.#restoreLater();
    } else if (this.#restore(slot)) this.#clean.push(slot);
  }

  /** Brings the budget's record up to the memory's present size. */
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

  /** Every poolLimits.sweepMs: lets half of what nobody has needed since the last sweep go. */
  sweep(): void {
    const surplus = Math.ceil(this.#unneeded / 2);
    for (let i = 0; i < surplus; i++) this.evict();
    this.#unneeded = this.spare;
  }

  /** Nothing is kept from now on. */
  close(): void {
    this.#isClosed = true;
    while (this.evict());
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

  /** Takes note of what a call needed. Slots with another reserve than the estimate are let go, and made anew on demand. */
  #learn(grownPages: number): void {
    if (this.#reserve.note(grownPages)) while (this.evict());
  }

  /** True when the slot is as new; one that cannot be restored is given up. */
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
      this.#clean.push(slot);
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
        // The next request tries again and reports what is wrong.
        this.#missing = 0;
      }
      if (this.#missing > 0) {
        this.#missing -= 1;
        this.#refillLater();
      }
    });
  }
}
