import { Readable } from 'node:stream';

/**
 * Returns a stream of the pieces of `stream`. Before each one `check` is called; the stream ends with its error.
 * `stream` ends with it, also if it is never read.
 */
export function checkedPieces(stream: Readable, check: () => Promise<void>): Readable {
  const pieces = Readable.from(checked(stream, check));
  // A generator that nobody has asked for a piece has not begun, and would leave `stream` open.
  return pieces.once('close', () => stream.destroy());
}

async function* checked(stream: Readable, check: () => Promise<void>): AsyncGenerator<unknown> {
  for await (const piece of stream) {
    await check();
    yield piece;
  }
}
