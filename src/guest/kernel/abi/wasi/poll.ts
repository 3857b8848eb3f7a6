/** Implements WASI `poll_oneoff`: waits for clocks and descriptors without holding the thread. */
import { OpenDirectory, OpenFile } from '../../fs/open-file.ts';
import type { Process } from '../../process.ts';
import type { MaybePromise, Resource } from '../../resource.ts';
import type { Syscall } from '../../syscall.ts';
import { isNow, somethingHappens } from '../../watch.ts';
import { ClockId, clockNs } from './clock.ts';
import { Wasi } from './errno.ts';
import { Right } from './rights.ts';
import { wasiRow } from './row.ts';
import { resourceAt } from './state.ts';
import type { WasiVersion } from './version.ts';

/** Most subscriptions of one call: two for each descriptor that a Process can have, and clocks. */
const subscriptionsMax = 4096;
const eventBytes = 32;
/** Host work (Process.work) of one subscription, in bytes moved. */
const subscriptionWork = 512;

const EventType = { clock: 0, fdRead: 1, fdWrite: 2 } as const;
const absoluteTime = 1;

/** A subscription (typenames.witx). `userdata` is a number of the guest's own; `type` is an eventtype. */
interface Subscription {
  readonly userdata: bigint;
  readonly type: number;
  /** Id of the clock. */
  readonly clockId: number;
  /** Time of the clock, in nanoseconds, at which the subscription fires. */
  readonly deadlineNs: bigint;
  readonly fd: number;
  /** Errno of WASI for an invalid subscription; success for others. */
  readonly error: number;
}

/** An event (typenames.witx): the `userdata` and `type` of its subscription, and an error number, 0 for success. */
interface Event {
  readonly userdata: bigint;
  readonly error: number;
  readonly type: number;
  /** Bytes that can be read at once; 0 if unknown. */
  readonly bytes: bigint;
}

/**
 * Suspends the guest until an event of at least one of the `nsubscriptions` subscriptions at `in` has occurred. Writes
 * these events (32 bytes each) to `out` and their number (u32) to `nevents`.
 *
 *     event: 0 userdata u64 | 8 error u16 | 10 type u8 | 16 nbytes u64 | 24 flags u16
 *
 * Errors: inval no subscriptions, or more than 4,096. The event of an invalid subscription carries its error.
 */
export function pollOneoff({ subscription }: WasiVersion): Syscall {
  return wasiRow(
    'poll_oneoff',
    ['in', 'out', 'nsubscriptions', 'nevents'],
    true,
    (guest: Process, input: number, output: number, count: number, nevents: number): MaybePromise<number> => {
      if (count === 0 || count >>> 0 > subscriptionsMax) return Wasi.inval;
      guest.memory.check(nevents, 4);
      guest.work(count * subscriptionWork);
      guest.memory.check(output, count * eventBytes);
      const subscriptions = readSubscriptions(guest, input, count, subscription);
      const polled = poll(guest, subscriptions);
      if (polled.events.length > 0) return putEvents(guest, output, nevents, polled.events);
      return wait(guest, subscriptions, polled.waits).then((events) =>
        guest.end === null ? putEvents(guest, output, nevents, events) : Wasi.canceled,
      );
    },
  );
}

function readSubscriptions(
  guest: Process,
  pointer: number,
  count: number,
  layout: WasiVersion['subscription'],
): readonly Subscription[] {
  const bytes = guest.memory.bytes(pointer, count * layout.bytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Array.from({ length: count }, (_, index) => {
    const at = index * layout.bytes;
    const userdata = view.getBigUint64(at, true);
    const type = view.getUint8(at + 8);
    const none = { userdata, type, clockId: 0, deadlineNs: 0n, fd: -1, error: Wasi.success };
    if (type === EventType.clock) {
      const clock = at + layout.clock;
      const timeout = view.getBigUint64(clock + 8, true);
      const isAbsolute = (view.getUint16(clock + 24, true) & absoluteTime) !== 0;
      const asked = view.getUint32(clock, true);
      // A step of the wall clock must not change how long a guest sleeps (POSIX, clock_nanosleep); wasi-libc sleeps by
      // it.
      const clockId = asked === ClockId.realtime && !isAbsolute ? ClockId.monotonic : asked;
      const now = clockNs(guest, clockId);
      if (now === null) return { ...none, error: Wasi.inval };
      return { ...none, clockId, deadlineNs: isAbsolute ? timeout : now + timeout };
    }
    const isKnown = type === EventType.fdRead || type === EventType.fdWrite;
    return isKnown ? { ...none, fd: view.getUint32(at + 16, true) } : { ...none, error: Wasi.inval };
  });
}

interface Polled {
  readonly events: readonly Event[];
  /** Promises to wait for if no event has occurred yet. */
  readonly waits: readonly Promise<void>[];
}

/** Returns all events that have occurred by now. */
function poll(guest: Process, subscriptions: readonly Subscription[]): Polled {
  const events: Event[] = [];
  const waits: Promise<void>[] = [];
  for (const subscription of subscriptions) {
    const { userdata, type, error } = subscription;
    const occurred = (code: number, bytes = 0n): void => {
      events.push({ userdata, type, error: code, bytes });
    };
    if (error !== Wasi.success) occurred(error);
    else if (type === EventType.clock) {
      const now = clockNs(guest, subscription.clockId);
      if (now === null || now >= subscription.deadlineNs) occurred(Wasi.success);
    } else {
      const isRead = type === EventType.fdRead;
      const right = Right.pollFdReadwrite | (isRead ? Right.fdRead : Right.fdWrite);
      const resource = resourceAt(guest, subscription.fd, right);
      if (typeof resource === 'number') {
        occurred(resource);
        continue;
      }
      const wait = (isRead ? resource.readable?.() : resource.writable?.()) ?? null;
      if (wait === null || isNow(wait)) occurred(Wasi.success, isRead ? bytesLeft(resource) : 0n);
      else waits.push(wait);
    }
  }
  return { events, waits };
}

function bytesLeft(resource: Resource): bigint {
  if (resource instanceof OpenDirectory) return 0n;
  // Of a stream, only one byte is certain.
  if (!(resource instanceof OpenFile)) return 1n;
  const stat = resource.handle.stat();
  return typeof stat === 'number' ? 0n : BigInt(Math.max(0, stat.size - resource.position));
}

/** Waits for the first event. Returns all events that have occurred by then. */
async function wait(
  guest: Process,
  subscriptions: readonly Subscription[],
  waits: readonly Promise<void>[],
): Promise<readonly Event[]> {
  let ready = waits;
  for (;;) {
    await somethingHappens(guest, ready, soonest(guest, subscriptions));
    if (guest.end !== null) return [];
    const polled = poll(guest, subscriptions);
    if (polled.events.length > 0) return polled.events;
    ready = polled.waits;
  }
}

/** Returns the nanoseconds until the first clock fires; null if none will. */
function soonest(guest: Process, subscriptions: readonly Subscription[]): bigint | null {
  let leftNs: bigint | null = null;
  for (const { type, clockId, deadlineNs } of subscriptions) {
    // A waiting guest uses no CPU time, so such a clock stands still.
    if (type !== EventType.clock || clockId === ClockId.processCpu || clockId === ClockId.threadCpu) continue;
    const left = deadlineNs - (clockNs(guest, clockId) ?? 0n);
    if (leftNs === null || left < leftNs) leftNs = left;
  }
  return leftNs;
}

function putEvents(guest: Process, pointer: number, nevents: number, events: readonly Event[]): number {
  const bytes = guest.memory.bytes(pointer, events.length * eventBytes).fill(0);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  events.forEach(({ userdata, error, type, bytes: count }, index) => {
    const at = index * eventBytes;
    view.setBigUint64(at, userdata, true);
    view.setUint16(at + 8, error, true);
    view.setUint8(at + 10, type);
    view.setBigUint64(at + 16, count, true);
  });
  guest.memory.setU32(nevents, events.length);
  return Wasi.success;
}
