/** wasi:io/poll: waits for streams, timers and responses without holding the thread. */
import { borrow, func, hostResource, list } from '../../../../component/wit.ts';
import { handlesMax } from '../../../canonical/handles.ts';
import { dropRow, witInterface, witRow } from '../../../canonical/row.ts';
import { GuestFault } from '../../../memory.ts';
import type { Process } from '../../../process.ts';
import { isNow, somethingHappens } from '../../../watch.ts';
import { HostObject } from '../host-object.ts';

const name = 'wasi:io/poll@0.2';
export const pollableResource = hostResource(name, 'pollable');

/** Host work (Process.work) of asking one pollable, in bytes moved. */
const pollableWork = 512;

/**
 * Returns null if the event has occurred, a promise that settles when that may have changed, or the time of the event.
 */
export type Readiness = () => Promise<void> | null | { readonly atNs: bigint };

export class Pollable extends HostObject {
  readonly what = 'pollable';
  readonly #readiness: Readiness;

  /** `parent` is the object of which the pollable is a child; null for a timer. */
  constructor(parent: HostObject | null, readiness: Readiness) {
    super(parent);
    this.#readiness = readiness;
  }

  /** Returns null if the pollable is ready, a promise to wait for, or the nanoseconds until it is ready. */
  look(guest: Process): Promise<void> | null | bigint {
    const readiness = this.#readiness();
    if (readiness === null) return null;
    if (readiness instanceof Promise) return isNow(readiness) ? null : readiness;
    const left = readiness.atNs - guest.options.clock.monotonicNs();
    return left <= 0n ? null : left;
  }
}

/** Returns the positions of the ready pollables, after waiting for the first one. */
function ready(guest: Process, pollables: readonly Pollable[]): readonly number[] | Promise<readonly number[]> {
  const looked = lookAt(guest, pollables);
  return looked.ready.length > 0 ? looked.ready : readyLater(guest, pollables, looked);
}

interface Looked {
  /** Positions of the ready pollables. */
  readonly ready: readonly number[];
  readonly waits: readonly Promise<void>[];
  /** Nanoseconds until the first timer fires; null without a timer. */
  readonly leftNs: bigint | null;
}

function lookAt(guest: Process, pollables: readonly Pollable[]): Looked {
  guest.work(pollables.length * pollableWork);
  const ready: number[] = [];
  const waits: Promise<void>[] = [];
  let leftNs: bigint | null = null;
  pollables.forEach((pollable, index) => {
    const answer = pollable.look(guest);
    if (answer === null) ready.push(index);
    else if (typeof answer !== 'bigint') waits.push(answer);
    else if (leftNs === null || answer < leftNs) leftNs = answer;
  });
  return { ready, waits, leftNs };
}

async function readyLater(guest: Process, pollables: readonly Pollable[], first: Looked): Promise<readonly number[]> {
  for (let looked = first; ; looked = lookAt(guest, pollables)) {
    if (looked.ready.length > 0 || guest.end !== null) return looked.ready;
    await somethingHappens(guest, looked.waits, looked.leftNs);
  }
}

/** Returns whether the pollable is ready. Never waits. */
const pollableReady = witRow(
  '[method]pollable.ready',
  func({ self: borrow(pollableResource) }, 'bool'),
  (guest: Process, self: Pollable) => self.look(guest) === null,
);

/** Waits until the pollable is ready. */
const pollableBlock = witRow(
  '[method]pollable.block',
  func({ self: borrow(pollableResource) }),
  (guest: Process, self: Pollable) => {
    const waiting = ready(guest, [self]);
    return waiting instanceof Promise ? waiting.then(() => undefined) : undefined;
  },
  { waits: true },
);

/**
 * Returns the positions in `in` of all ready pollables, in ascending order, after waiting for the first one. Traps for
 * an empty list, which would wait for ever, and for more than 4,096 pollables.
 */
const poll = witRow(
  'poll',
  func({ in: list(borrow(pollableResource)) }, list('u32')),
  (guest: Process, pollables: readonly Pollable[]) => {
    if (pollables.length === 0) throw new GuestFault('poll of an empty list');
    if (pollables.length > handlesMax)
      throw new GuestFault(`poll of ${pollables.length} pollables, at most ${handlesMax} are possible`);
    return ready(guest, pollables);
  },
  { waits: true },
);

/** Drops a pollable. */
const dropPollable = dropRow(pollableResource);

export const ioPoll = witInterface('wasi2', name, [pollableReady, pollableBlock, poll, dropPollable]);
