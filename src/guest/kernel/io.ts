/** Reading and writing a Resource from and to guest memory, shared by every ABI. */
import { setImmediate } from 'node:timers/promises';
import { KIB } from '../../protocol/limits.ts';
import { Errno } from './errno.ts';
import type { Process } from './process.ts';
import type { MaybePromise, Resource } from './resource.ts';

/** Bytes that one call of a Resource is given at most: the longest that the thread is held for it. */
const chunkBytes = 256 * KIB;
/** A write of more than a chunk lets the event loop go on after this much time. */
const writeTurnMs = 2;

/**
 * One read into [pointer, pointer + length); bytes read (at most chunkBytes) or Errno. Waits where
 * the Resource has to, and takes a fresh view of the memory for each try. Throws GuestFault for a
 * range outside.
 */
export function readInto(guest: Process, resource: Resource, pointer: number, length: number): MaybePromise<number> {
  return retry(guest, () => {
    const start = guest.memory.check(pointer, length);
    const result = resource.read(guest.memory.bytes(start, Math.min(length >>> 0, chunkBytes)));
    if (typeof result === 'number' && result > 0) guest.account(resource.scheme, result, 0);
    return result;
  });
}

/** Writes all of [pointer, pointer + length); bytes written, or Errno when not even one was taken. */
export function writeFrom(guest: Process, resource: Resource, pointer: number, length: number): MaybePromise<number> {
  const start = guest.memory.check(pointer, length);
  const size = length >>> 0;
  let done = 0;
  return retry(guest, () => {
    const before = size > chunkBytes ? performance.now() : 0;
    for (;;) {
      const result = resource.write(guest.memory.bytes(start + done, Math.min(size - done, chunkBytes)));
      if (typeof result !== 'number') return result;
      if (result < 0) return done > 0 ? done : result;
      done += result;
      if (result > 0) guest.account(resource.scheme, 0, result);
      if (done >= size) return done;
      // A Resource that takes nothing without waiting takes no more.
      if (result === 0) return done > 0 ? done : Errno.noSpace;
      if (size > chunkBytes && performance.now() - before > writeTurnMs) return setImmediate();
    }
  });
}

/** Calls `attempt` until it answers with a number, waiting for what it asks to wait for. */
export function retry(guest: Process, attempt: () => number | Promise<void>): MaybePromise<number> {
  const first = attempt();
  return typeof first === 'number' ? first : retryLater(guest, first, attempt);
}

async function retryLater(
  guest: Process,
  first: Promise<void>,
  attempt: () => number | Promise<void>,
): Promise<number> {
  let pending = first;
  for (;;) {
    await pending;
    // The guest has been unwound meanwhile; nothing may touch its memory any more.
    if (guest.end !== null) return Errno.closed;
    const result = attempt();
    if (typeof result === 'number') return result;
    pending = result;
  }
}
