/**
 * A request's body as chunks with a deadline each: identity or gzip, inflated here because the library
 * has neither an error listener nor a cap on it, and hangs on deflate.
 */
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { PlatformError } from '../../protocol/errors.ts';

export interface BodyLimits {
  readonly bytes: number;
  readonly inflatedBytes: number;
  readonly commandsMs: number;
}

export class RequestBody {
  readonly #iterator: AsyncIterator<Buffer>;
  readonly #bytesMax: number;
  #bytes = 0;
  #ended = false;

  private constructor(iterator: AsyncIterator<Buffer>, bytesMax: number) {
    this.#iterator = iterator;
    this.#bytesMax = bytesMax;
  }

  /**
   * Throws `bad_request` on an encoding that git does not use. A compressed body is read whole before
   * anything looks at it: it is small (`GitLimits.inflatedBytes`), and one that is not gets its 413 instead of
   * half a git process.
   */
  static async open(request: IncomingMessage, limits: BodyLimits): Promise<RequestBody> {
    const encoding = request.headers['content-encoding'] ?? 'identity';
    if (encoding === 'identity') return new RequestBody(request.iterator({ destroyOnReturn: false }), limits.bytes);
    if (encoding !== 'gzip' && encoding !== 'x-gzip')
      throw new PlatformError('bad_request', `the content encoding ${JSON.stringify(encoding)} is not supported`);
    const gunzip = createGunzip();
    request.once('aborted', () => gunzip.destroy(gone()));
    const bytesMax = Math.min(limits.bytes, limits.inflatedBytes);
    const packed = new RequestBody(request.pipe(gunzip).iterator(), bytesMax);
    try {
      const bytes = await packed.readAll(limits.commandsMs);
      return new RequestBody(Readable.from(bytes.length === 0 ? [] : [bytes]).iterator(), bytesMax);
    } finally {
      request.unpipe(gunzip);
      gunzip.destroy();
    }
  }

  /**
   * The next chunk, null at the end. Throws `request_timeout` when none comes in `timeoutMs`,
   * `body_too_large`, `bad_request` (damaged gzip, or the client has gone).
   */
  async read(timeoutMs: number): Promise<Buffer | null> {
    if (this.#ended) return null;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(timedOut()), Math.max(0, timeoutMs));
    });
    const next = this.#iterator.next();
    next.catch(() => {}); // when `late` wins, nobody waits for it any more
    try {
      const { done, value } = await Promise.race([next, late]);
      if (done === true) {
        this.#ended = true;
        return null;
      }
      this.#bytes += value.length;
      if (this.#bytes > this.#bytesMax)
        throw new PlatformError('body_too_large', `the request is larger than ${this.#bytesMax} bytes`);
      return value;
    } catch (error) {
      if (error instanceof PlatformError) throw error;
      throw new PlatformError('bad_request', 'the request body cannot be read', { cause: error });
    } finally {
      clearTimeout(timer);
    }
  }

  /** All of it, at once. `timeoutMs` is for the whole. */
  async readAll(timeoutMs: number): Promise<Buffer> {
    const end = performance.now() + timeoutMs;
    const chunks: Buffer[] = [];
    for (;;) {
      const chunk = await this.read(end - performance.now());
      if (chunk === null) return Buffer.concat(chunks);
      chunks.push(chunk);
    }
  }

  /** Reads on and forgets, so that the client can finish sending and read the answer. Never rejects. */
  async discard(idleMs: number): Promise<void> {
    try {
      while ((await this.read(idleMs)) !== null);
    } catch {
      // The answer that is being sent says more than this error could.
    }
  }
}

function gone(): PlatformError {
  return new PlatformError('bad_request', 'the client has gone');
}

function timedOut(): PlatformError {
  return new PlatformError('request_timeout', 'the request did not arrive in time; try again');
}
