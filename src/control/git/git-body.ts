/**
 * Reads a request's body in chunks, each with a deadline. Only identity and gzip are accepted. gzip is inflated here:
 * the library has no error listener and no bound for it, and hangs on deflate.
 */
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { PlatformError } from '../../protocol/errors.ts';

export interface BodyLimits {
  /** Bytes of the body as it is read. */
  readonly bytes: number;
  /** Bytes of a compressed body, inflated. */
  readonly inflatedBytes: number;
  /** Milliseconds in which a compressed body arrives. */
  readonly commandsMs: number;
}

export class GitBody {
  readonly #iterator: AsyncIterator<Buffer>;
  readonly #bytesMax: number;
  /** The chunk that was asked for and has not arrived; null: none is awaited. */
  #next: Promise<IteratorResult<Buffer>> | null = null;
  #bytes = 0;
  #ended = false;

  private constructor(iterator: AsyncIterator<Buffer>, bytesMax: number) {
    this.#iterator = iterator;
    this.#bytesMax = bytesMax;
  }

  /**
   * Opens a body. Throws `bad_request` for an encoding that git does not use. A compressed body is read whole first: it
   * is small (`inflatedBytes`), and a larger one gets its 413 before git is started.
   */
  static async open(request: IncomingMessage, limits: BodyLimits): Promise<GitBody> {
    const encoding = request.headers['content-encoding'] ?? 'identity';
    if (encoding === 'identity') return new GitBody(request.iterator({ destroyOnReturn: false }), limits.bytes);
    if (encoding !== 'gzip' && encoding !== 'x-gzip')
      throw new PlatformError('bad_request', `the content encoding ${JSON.stringify(encoding)} is not supported`);
    const gunzip = createGunzip();
    request.once('aborted', () => gunzip.destroy(gone()));
    const bytesMax = Math.min(limits.bytes, limits.inflatedBytes);
    const packed = new GitBody(request.pipe(gunzip).iterator(), bytesMax);
    try {
      const bytes = await packed.readAll(limits.commandsMs);
      return new GitBody(Readable.from(bytes.length === 0 ? [] : [bytes]).iterator(), bytesMax);
    } finally {
      request.unpipe(gunzip);
      gunzip.destroy();
    }
  }

  /** Whether the end of the body has been read. */
  get ended(): boolean {
    return this.#ended;
  }

  /**
   * Reads the next chunk, null at the end. Throws like `readWithin`, and `request_timeout` when none comes in
   * `timeoutMs`.
   */
  async read(timeoutMs: number): Promise<Buffer | null> {
    const chunk = await this.readWithin(timeoutMs);
    if (chunk === 'late') throw timedOut();
    return chunk;
  }

  /**
   * Reads the next chunk, null at the end, `late` when none comes in `timeoutMs`; the next call waits for the same one.
   * Throws `body_too_large`, `bad_request` (damaged gzip, or the client has gone).
   */
  async readWithin(timeoutMs: number): Promise<Buffer | null | 'late'> {
    if (this.#ended) return null;
    const next = this.#next ?? this.#iterator.next();
    this.#next = next;
    next.catch(() => {}); // When the time is over first, a later failure has no other listener.
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<'late'>((resolve) => {
      timer = setTimeout(() => resolve('late'), Math.max(0, timeoutMs));
    });
    try {
      const result = await Promise.race([next, late]);
      if (result === 'late') return 'late';
      this.#next = null;
      if (result.done === true) {
        this.#ended = true;
        return null;
      }
      this.#bytes += result.value.length;
      if (this.#bytes > this.#bytesMax)
        throw new PlatformError('body_too_large', `the request is larger than ${this.#bytesMax} bytes`);
      return result.value;
    } catch (error) {
      if (error instanceof PlatformError) throw error;
      throw new PlatformError('bad_request', 'the request body cannot be read', { cause: error });
    } finally {
      clearTimeout(timer);
    }
  }

  /** Reads the whole body within `timeoutMs`. Throws like `read`. */
  async readAll(timeoutMs: number): Promise<Buffer> {
    const end = performance.now() + timeoutMs;
    const chunks: Buffer[] = [];
    for (;;) {
      const chunk = await this.read(end - performance.now());
      if (chunk === null) return Buffer.concat(chunks);
      chunks.push(chunk);
    }
  }

  /**
   * Reads and drops the rest of the body, without a bound on bytes, to its end or for `timeoutMs`: most clients read an
   * answer only after they have sent everything. Never rejects.
   */
  async discard(timeoutMs: number): Promise<void> {
    const end = performance.now() + timeoutMs;
    for (let now = performance.now(); now < end; now = performance.now()) {
      try {
        const chunk = await this.readWithin(end - now);
        if (chunk === null || chunk === 'late') return;
      } catch (error) {
        if (!(error instanceof PlatformError && error.code === 'body_too_large')) return;
      }
    }
  }
}

function gone(): PlatformError {
  return new PlatformError('bad_request', 'the client has gone');
}

export function timedOut(): PlatformError {
  return new PlatformError('request_timeout', 'the request did not arrive in time; try again', {
    hints: ['check the network: what arrives is much too slow'],
  });
}
