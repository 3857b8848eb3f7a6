/** Reads streams and futures of the guest for the host. */
import { HostDestination } from './buffer.ts';
import { type CopyResult, copyResult, type Readable } from './shared.ts';

/** Reads the next values of a stream for the host, at most `most`. Resolves to null at the end. */
export async function readChunk(stream: Readable, most: number): Promise<Uint8Array | readonly unknown[] | null> {
  for (;;) {
    const into = new HostDestination(most);
    const result = await new Promise<CopyResult>((done) => {
      stream.read(into, { copied: () => done(copyResult.completed), done });
    });
    stream.reclaim(into);
    if (into.chunk !== null) return into.chunk;
    if (result !== copyResult.completed) return null;
  }
}

/** Reads the value of a future for the host. Resolves to undefined if its writer is gone. */
export async function readValue(future: Readable): Promise<unknown> {
  const chunk = await readChunk(future, 1);
  return chunk === null ? undefined : chunk[0];
}
