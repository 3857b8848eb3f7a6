/** Connects streams and futures of a component with Resources of the kernel. */
import type { WitType } from '../../../component/wit.ts';
import { elementFor } from '../../canonical/async/elements.ts';
import type { Readable } from '../../canonical/async/shared.ts';
import { FutureSource, ResourceSource } from '../../canonical/async/source.ts';
import { Errno } from '../../errno.ts';
import type { Process } from '../../process.ts';
import type { Resource } from '../../resource.ts';
import { keepBusy } from '../wasi2/io/sink.ts';

const bytes = elementFor('u8');
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
