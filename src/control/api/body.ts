/** Reads a JSON body, bounded in bytes and time. */
import type { IncomingMessage } from 'node:http';
import { PlatformError } from '../../protocol/errors.ts';
import { KIB } from '../../protocol/limits.ts';

export const bodyLimits = {
  /** The largest is a variable's value of 16 KiB, each byte of which JSON may escape as \u00XX. */
  bytes: 128 * KIB,
  /** From who is not logged in: a name, a password, an invite. */
  strangerBytes: 16 * KIB,
  /** All of it must have come by then: a client that drips bytes holds a connection no longer. */
  ms: 30_000,
} as const;

/** An empty body is `{}`. Throws `bad_request`, `body_too_large`, `request_timeout`. */
export async function readJson(request: IncomingMessage, bytesMax: number): Promise<unknown> {
  const declared = Number(request.headers['content-length'] ?? 0);
  if (declared > bytesMax) throw tooLarge(bytesMax);
  const bytes = await read(request, bytesMax);
  if (bytes.length === 0) return {};
  const type = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase();
  if (type !== 'application/json')
    throw new PlatformError('bad_request', 'the body must be JSON', { hints: ['content-type: application/json'] });
  try {
    // RFC 8259, 8.1: UTF-8, nothing else.
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw new PlatformError('bad_request', 'the body is not valid JSON', { cause: error });
  }
}

function read(request: IncomingMessage, bytesMax: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const timer = setTimeout(() => {
      fail(new PlatformError('request_timeout', `the body did not arrive within ${bodyLimits.ms / 1000} s`));
    }, bodyLimits.ms);
    const stop = () => {
      clearTimeout(timer);
      request.off('data', onData).off('end', onEnd).off('error', fail).off('close', onClose);
    };
    const fail = (error: Error) => {
      stop();
      request.pause();
      reject(error);
    };
    const onData = (chunk: Buffer) => {
      length += chunk.length;
      if (length > bytesMax) fail(tooLarge(bytesMax));
      else chunks.push(chunk);
    };
    const onEnd = () => {
      stop();
      resolve(Buffer.concat(chunks));
    };
    const onClose = () => fail(new PlatformError('bad_request', 'the body ended early'));
    request.on('data', onData).on('end', onEnd).on('error', fail).on('close', onClose);
  });
}

function tooLarge(bytesMax: number): PlatformError {
  return new PlatformError('body_too_large', `the body is larger than ${bytesMax} bytes`);
}
