/** Compresses streamed answers when the client accepts it: Accept-Encoding, RFC 9110 section 12.5.3. */
import { pipeline, type Readable } from 'node:stream';
import { createGzip, createZstdCompress } from 'node:zlib';
import type Koa from 'koa';

/** Returns the stream to send, and names its coding in the answer's head. */
export function compressed(ctx: Pick<Koa.Context, 'acceptsEncodings' | 'set' | 'vary'>, stream: Readable): Readable {
  ctx.vary('accept-encoding');
  const coding = ctx.acceptsEncodings('zstd', 'gzip', 'identity');
  if (coding !== 'zstd' && coding !== 'gzip') return stream;
  ctx.set('content-encoding', coding);
  // An error destroys both streams and the connection, so the client sees a truncated answer.
  return pipeline(stream, coding === 'zstd' ? createZstdCompress() : createGzip(), () => {});
}
