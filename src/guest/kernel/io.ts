/** Reads and writes Resources from and to guest memory, for every ABI. */
import { setImmediate } from 'node:timers/promises';
import { KIB } from '../../protocol/limits.ts';
import { Errno } from './errno.ts';
import type { Process } from './process.ts';
import type { MaybePromise, Resource } from './resource.ts';

/** Most bytes of one call of a Resource, which bounds the time for which the call holds the thread. */
const chunkBytes = 256 * KIB;
/** Milliseconds after which a write of several chunks lets the event loop run. */
const writeTurnMs = 2;

/**
 * Reads once into [pointer, pointer + length). Returns the bytes read, at most chunkBytes, or an Errno. Waits while the
 * Resource has no bytes, and takes a fresh view of the memory for each attempt. Throws GuestFault for a range outside
 * the memory.
 */
export function readInto(guest: Process, resource: Resource, pointer: number, length: number): MaybePromise<number> {
  return retry(guest, () => {
    const start = guest.memory.check(pointer, length);
    const result = resource.read(guest.memory.bytes(start, Math.min(length >>> 0, chunkBytes)));
    if (typeof result === 'number' && result > 0) guest.account(resource.scheme, result, 0);
    return result;
  });
}

/**
 * Writes all of [pointer, pointer + length). Returns the bytes written, or an Errno if none was taken. Waits while the
 * Resource is full. Throws GuestFault for a range outside the memory.
 */
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
      // A Resource that takes 0 bytes without a promise will take none later either.
      if (result === 0) return done > 0 ? done : Errno.noSpace;
      if (size > chunkBytes && performance.now() - before > writeTurnMs) return setImmediate();
    }
  });
}

/** Calls `attempt` until it returns a number, and returns that number. Waits for each promise that it returns. */
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
    // The guest was unwound during the wait: its memory may belong to another Process now.
    if (guest.end !== null) return Errno.closed;
    const result = attempt();
    if (typeof result === 'number') return result;
    pending = result;
  }
}
