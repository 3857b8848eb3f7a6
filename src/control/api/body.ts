/** Reads request bodies, JSON or bytes, with bounds on bytes and time. */
import type { IncomingMessage } from 'node:http';
import { PlatformError } from '../../protocol/errors.ts';
import { KIB } from '../../protocol/limits.ts';
import { DuplicateKey, parseUniqueJson } from '../../protocol/unique-keys.ts';

export interface BodyLimit {
  /** Bytes of the whole body. */
  readonly bytes: number;
  /**
   * Milliseconds within which the whole body must arrive, so that a client that drips bytes does not hold a connection.
   */
  readonly ms: number;
}

export const bodyLimits: { readonly user: BodyLimit; readonly stranger: BodyLimit } = {
  /**
   * Bound for logged-in users. The largest body is a variable's value of 16 KiB, each byte of which JSON may escape as
   * \u00XX.
   */
  user: { bytes: 128 * KIB, ms: 30_000 },
  /** Bound for clients that are not logged in: a name, a password, an invite. */
  stranger: { bytes: 16 * KIB, ms: 10_000 },
};

/**
 * Returns the parsed body; `{}` for an empty one. Reads no byte beyond the limit.
 * Throws `bad_request`, `body_too_large`, `request_timeout`.
 */
export async function readJson(request: IncomingMessage, limit: BodyLimit): Promise<unknown> {
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
  if (length === undefined && encoding === undefined) return {}; // The request has no body (RFC 9112, 6.3).
  const bytes = await readBytes(request, limit);
  if (bytes.length === 0) return {};
  const type = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase();
  if (type !== 'application/json')
    throw new PlatformError('bad_request', 'the body must be JSON', { hints: ['content-type: application/json'] });
  const coding = request.headers['content-encoding']?.trim().toLowerCase() ?? '';
  if (coding !== '' && coding !== 'identity')
    throw new PlatformError('bad_request', 'the body is coded, which is not understood here', {
      hints: ['send it without content-encoding'],
    });
  try {
    // RFC 8259, 8.1: JSON is UTF-8.
    return parseUniqueJson(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    if (error instanceof DuplicateKey)
      throw new PlatformError('bad_request', `the body is ambiguous: ${error.message}`, { cause: error });
    throw new PlatformError('bad_request', 'the body is not valid JSON', { cause: error });
  }
}

/**
 * Returns the whole body. Reads no byte beyond the limit. Throws `bad_request`, `body_too_large`, `request_timeout`.
 */
export async function readBytes(request: IncomingMessage, limit: BodyLimit): Promise<Buffer> {
  if (Number(request.headers['content-length'] ?? 0) > limit.bytes) throw tooLarge(limit.bytes);
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const timer = setTimeout(() => {
      fail(new PlatformError('request_timeout', `the body did not arrive within ${limit.ms / 1000} s`));
    }, limit.ms);
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
      if (length > limit.bytes) fail(tooLarge(limit.bytes));
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
