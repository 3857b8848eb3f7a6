/** Reads into and writes from the lists of buffers of fd_read, fd_write and similar calls. */

import { KIB, MIB } from '../../../../protocol/limits.ts';
import { Errno } from '../../errno.ts';
import { readInto, retry, writeFrom } from '../../io.ts';
import type { Process } from '../../process.ts';
import type { MaybePromise, Resource } from '../../resource.ts';
import { isNow, nothing, watch } from '../../watch.ts';

/** Most buffers of one call, as IOV_MAX of Linux. */
const iovecsMax = 1024;

/** Most bytes of one call: the deadline cannot interrupt a copy. */
export const callBytesMax = 16 * MIB;
/** Host work (Process.work) for each buffer, in bytes moved. */
const iovecWork = 64;

/** Most bytes of several buffers that go out as one write, so that a message stays one message and a line one line. */
const gatheredBytesMax = 64 * KIB;

/** A buffer of the guest: its pointer and its length in bytes. */
export interface Iovec {
  readonly pointer: number;
  readonly length: number;
}

/**
 * Returns the buffers that are not empty; Errno.invalid if there are too many. Throws GuestFault for a buffer outside
 * the memory.
 */
export function iovecsAt(guest: Process, pointer: number, count: number): readonly Iovec[] | number {
  if (count >>> 0 > iovecsMax) return Errno.invalid;
  const { memory } = guest;
  const start = memory.check(pointer, count * 8);
  guest.work(count * iovecWork);
  const { view } = memory;
  const found: Iovec[] = [];
  for (let at = start; at < start + count * 8; at += 8) {
    const length = view.getUint32(at + 4, true);
    const buffer = memory.check(view.getUint32(at, true), length);
    if (length > 0) found.push({ pointer: buffer, length });
  }
  return found;
}

/** Reads once, into as many buffers as can be filled without waiting. Returns the bytes read or an Errno. */
export function readStream(guest: Process, resource: Resource, iovecs: readonly Iovec[]): MaybePromise<number> {
  const first = iovecs[0];
  if (first === undefined) return 0;
  const length = Math.min(first.length, callBytesMax);
  const result = readInto(guest, resource, first.pointer, length);
  if (result instanceof Promise) return result;
  return result === first.length ? readOn(guest, resource, iovecs, result) : result;
}

function readOn(guest: Process, resource: Resource, iovecs: readonly Iovec[], before: number): number {
  let done = before;
  for (const { pointer, length } of iovecs.slice(1)) {
    // Reads again only from a Resource that would answer at once.
    if (resource.readable === undefined || !isNow(resource.readable())) break;
    const result = resource.read(guest.memory.bytes(pointer, Math.min(length, callBytesMax)));
    if (typeof result !== 'number') {
      watch(result, nothing);
      break;
    }
    if (result <= 0) break;
    guest.account(resource.scheme, result, 0);
    done += result;
    if (result < length || done >= callBytesMax) break;
  }
  return done;
}

/** Writes all buffers, and waits while the Resource is full. Returns the bytes written or an Errno. */
export function writeStream(guest: Process, resource: Resource, iovecs: readonly Iovec[]): MaybePromise<number> {
  const [first] = iovecs;
  if (first === undefined) return 0;
  if (iovecs.length === 1) return writeFrom(guest, resource, first.pointer, Math.min(first.length, callBytesMax));
  let total = 0;
  for (const { length } of iovecs) total += length;
  if (total <= gatheredBytesMax) return writeGathered(guest, resource, gather(guest, iovecs, total));
  return writeEach(guest, resource, iovecs);
}

function gather(guest: Process, iovecs: readonly Iovec[], total: number): Uint8Array {
  const bytes = new Uint8Array(total);
  let at = 0;
  for (const { pointer, length } of iovecs) {
    bytes.set(guest.memory.bytes(pointer, length), at);
    at += length;
  }
  return bytes;
}

function writeGathered(guest: Process, resource: Resource, bytes: Uint8Array): MaybePromise<number> {
  let done = 0;
  return retry(guest, () => {
    for (;;) {
      const result = resource.write(done === 0 ? bytes : bytes.subarray(done));
      if (typeof result !== 'number') return result;
      if (result <= 0) return done > 0 ? done : result === 0 ? Errno.noSpace : result;
      guest.account(resource.scheme, 0, result);
      done += result;
      if (done >= bytes.length) return done;
    }
  });
}

async function writeEach(guest: Process, resource: Resource, iovecs: readonly Iovec[]): Promise<number> {
  let done = 0;
  for (const { pointer, length } of iovecs) {
    const part = Math.min(length, callBytesMax - done);
    const result = await writeFrom(guest, resource, pointer, part);
    if (guest.end !== null) return Errno.closed;
    if (result < 0) return done > 0 ? done : result;
    done += result;
    if (result < length) break;
  }
  return done;
}
