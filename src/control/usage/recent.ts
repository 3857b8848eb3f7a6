/** Keeps the last five minutes of each handler in memory, for screens that refresh every 2 s. */

import type { UsageCount } from '../../protocol/messages.ts';
import type { HandlerId } from '../../protocol/names.ts';
import type { PendingInvocationRecord } from '../../protocol/nouns.ts';
import type { UsageSummary } from '../../protocol/views.ts';
import { positive, whole } from './usage-counts.ts';

export const recentLimits = {
  /** Milliseconds of one slot; there are 60 slots. */
  slotMs: 5_000,
  slots: 60,
  /** Durations kept per handler, the newest ones, for the percentiles. */
  durations: 512,
  /** Handlers remembered, about 10 KiB each at most; the least recently used one is dropped first. */
  handlers: 2_000,
} as const;

interface Slot {
  /** Number of the slot, counted from 1970. */
  index: number;
  invocations: number;
  failures: number;
  gas: number;
}

interface Recent {
  readonly slots: Slot[];
  /** Ring buffer: the oldest entry is overwritten. */
  readonly durations: { readonly atMs: number; readonly durationMs: number }[];
  /** Index in `durations` of the next entry. */
  next: number;
}

export class RecentUsage {
  readonly #now: () => number;
  /** By handler id, least recently used first. */
  readonly #handlers = new Map<string, Recent>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Adds what a runner reports. A runner runs hostile guests: what is no count, or no duration, counts as 0. */
  add(records: readonly PendingInvocationRecord[], counts: readonly UsageCount[]): void {
    const atMs = this.#now();
    const index = Math.floor(atMs / recentLimits.slotMs);
    for (const count of counts) {
      const slot = slotOf(this.#of(count.handlerId), index);
      slot.invocations += whole(count.invocations);
      slot.failures += whole(count.failures);
      slot.gas += whole(count.gas);
    }
    for (const { handlerId, durationMs } of records) {
      const recent = this.#of(handlerId);
      recent.durations[recent.next] = { atMs, durationMs: positive(durationMs) };
      recent.next = (recent.next + 1) % recentLimits.durations;
    }
  }

  /** Returns sums, rates and quantiles of a handler's last minutes; zeros for an unknown handler. */
  summary(handlerId: HandlerId): UsageSummary {
    const { slotMs, slots } = recentLimits;
    const atMs = this.#now();
    const current = Math.floor(atMs / slotMs);
    const recent = this.#handlers.get(handlerId);
    const window = (recent?.slots ?? []).filter((slot) => slot.index > current - slots && slot.index <= current);
    // Leaves out the current slot, which is incomplete and would make the rate look low.
    const minute = window.filter((slot) => slot.index < current && slot.index >= current - 60_000 / slotMs);
    const durations = (recent?.durations ?? [])
      .filter((entry) => entry.atMs > atMs - slots * slotMs)
      .map((entry) => entry.durationMs)
      .sort((a, b) => a - b);
    return {
      windowMs: slots * slotMs,
      invocations: sum(window, 'invocations'),
      failures: sum(window, 'failures'),
      gas: sum(window, 'gas'),
      requestsPerSecond: sum(minute, 'invocations') / 60,
      failuresPerSecond: sum(minute, 'failures') / 60,
      p50Ms: quantile(durations, 0.5),
      p99Ms: quantile(durations, 0.99),
    };
  }

  forget(handlerId: HandlerId): void {
    this.#handlers.delete(handlerId);
  }

  #of(handlerId: HandlerId): Recent {
    const recent = this.#handlers.get(handlerId) ?? { slots: [], durations: [], next: 0 };
    this.#handlers.delete(handlerId);
    this.#handlers.set(handlerId, recent);
    if (this.#handlers.size > recentLimits.handlers) {
      const [oldest] = this.#handlers.keys();
      if (oldest !== undefined) this.#handlers.delete(oldest);
    }
    return recent;
  }
}

function slotOf(recent: Recent, index: number): Slot {
  const at = index % recentLimits.slots;
  const slot = recent.slots.find((known) => known.index % recentLimits.slots === at);
  if (slot === undefined) {
    const fresh: Slot = { index, invocations: 0, failures: 0, gas: 0 };
    recent.slots.push(fresh);
    return fresh;
  }
  if (slot.index !== index) Object.assign(slot, { index, invocations: 0, failures: 0, gas: 0 });
  return slot;
}

function sum(slots: readonly Slot[], of: 'invocations' | 'failures' | 'gas'): number {
  return slots.reduce((total, slot) => total + slot[of], 0);
}

/** Returns the smallest value that at least a share `q` of all values do not exceed; null for an empty list. */
export function quantile(ascending: readonly number[], q: number): number | null {
  return ascending[Math.max(0, Math.ceil(ascending.length * q) - 1)] ?? null;
}
