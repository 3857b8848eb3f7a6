/** Connects streams and futures of a component with Resources of the kernel. */
import { KIB } from '../../../../protocol/limits.ts';
import type { WitType } from '../../../component/wit.ts';
import { elementFor } from '../../canonical/async/elements.ts';
import { readChunk } from '../../canonical/async/host-read.ts';
import type { Readable } from '../../canonical/async/shared.ts';
import { FutureSource, ResourceSource } from '../../canonical/async/source.ts';
import { Errno } from '../../errno.ts';
import type { Process } from '../../process.ts';
import type { Resource } from '../../resource.ts';
import { keepBusy } from '../wasi2/io/sink.ts';

const bytes = elementFor('u8');
/** Most bytes that are taken from a stream of the guest at once. */
const takenBytesMax = 64 * KIB;

/** Returns whether output of `guest` must still be sent: the guest runs, or has ended by itself. */
export function isWanted({ end }: Process): boolean {
  return end === null || end.kind === 'exit';
}

export interface Reading {
  readonly stream: Readable;
  /** Resolves to 0 at the end of the Resource or when the reader drops the stream, else to an Errno. */
  readonly ended: Promise<number>;
}

/** Returns a stream that reads `resource`. `dropped` is called when the reader drops it before the end. */
export function readingFrom(guest: Process, resource: Resource, dropped: () => void = () => undefined): Reading {
  const { promise, resolve } = Promise.withResolvers<number>();
  const stream = new ResourceSource(guest, bytes, resource, (errno) => {
    if (errno === null) dropped();
    resolve(errno === null || errno === Errno.end ? 0 : errno);
  });
  return { stream, ended: promise };
}

/** Returns a stream that has ended. */
export function emptyStream(guest: Process): Readable {
  return new ResourceSource(guest, bytes, nothing, () => undefined);
}

const nothing: Resource = {
  scheme: 'null',
  read: () => Errno.end,
  write: () => Errno.notSupported,
  flush: () => 0,
  close: () => 0,
};

/**
 * Writes all bytes of `stream` to `write`, which answers as Resource.write does. Resolves to 0 at the end of the stream,
 * or to the Errno of the write that failed; the stream is dropped then. Never rejects.
 */
export async function pump(
  guest: Process,
  stream: Readable,
  scheme: string,
  write: (bytes: Uint8Array) => number | Promise<void>,
): Promise<number> {
  try {
    for (;;) {
      const chunk = (await readChunk(stream, takenBytesMax)) as Uint8Array | null; // a stream of u8
      if (chunk === null) return 0;
      for (let done = 0; done < chunk.length; ) {
        if (!isWanted(guest)) return Errno.closed;
        const count = write(chunk.subarray(done));
        if (typeof count !== 'number') await count;
        else if (count > 0) {
          guest.account(scheme, 0, count);
          done += count;
        } else {
          stream.drop();
          return count === 0 ? Errno.noSpace : count;
        }
      }
      // Sends what is buffered: a guest whose write has waited for this took its turn before.
      if (guest.end === null) guest.options.suspending?.();
    }
  } catch {
    stream.drop();
    return Errno.unknown;
  }
}

/**
 * Returns the future of a result that `promise` decides; it must not reject. `isAwaited`: the Process ends only after
 * it.
 */
export function resultOf(
  guest: Process,
  type: WitType,
  promise: Promise<unknown>,
  { isAwaited = true } = {},
): FutureSource {
  if (isAwaited)
    keepBusy(
      guest,
      promise.then(() => undefined),
    );
  return new FutureSource(guest, elementFor(type), () => promise);
}
