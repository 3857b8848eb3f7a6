import { Readable } from 'node:stream';

/** Returns a stream of the pieces of `stream`. Before each one `check` is called; the stream ends with its error. */
export function checkedPieces(stream: Readable, check: () => Promise<void>): Readable {
  return Readable.from(checked(stream, check));
}

async function* checked(stream: Readable, check: () => Promise<void>): AsyncGenerator<unknown> {
  for await (const piece of stream) {
    await check();
    yield piece;
  }
}
