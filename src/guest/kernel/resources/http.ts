/**
 * Opens `http:` and `https:`: the guest writes an HTTP/1.1 request, flushes, and reads the response as HTTP/1.1 text:
 * status line, header fields, empty line, body.
 *
 *     request --head and body written, flush--> sent --head arrived--> response --> end
 *
 * The head is read as soon as its empty line is written. A body with Content-Length, or in chunks, may be longer than
 * the buffer: it is then sent while the guest writes, before or after flush.
 */
import { Errno } from '../errno.ts';
import { ByteQueue } from '../net/byte-queue.ts';
import { NetworkFailure, networkFailure } from '../net/failure.ts';
import { HttpCall } from '../net/http-call.ts';
import { HeadReader } from '../net/http-head-reader.ts';
import { httpRequestLimits, outgoingHeaders, type RequestHead } from '../net/http-request.ts';
import { requested } from '../net/http-requested.ts';
import { Upload } from '../net/http-upload.ts';
import type { Network } from '../net/network.ts';
import { RequestFraming } from '../net/request-framing.ts';
import { parseTarget, schemeNames, type Target } from '../net/target.ts';
import { checkPolicy } from '../open.ts';
import type { Process } from '../process.ts';
import { ProcessEnded } from '../process-end.ts';
import type { MaybePromise, Resource } from '../resource.ts';
import type { SchemeWithNetwork } from './network-of.ts';

/** Makes the schemes `http:` and `https:` of a handler, over its network. */
export function httpScheme(network: Network): SchemeWithNetwork {
  return {
    network,
    names: schemeNames('http'),
    open: (url, guest) => {
      const target = parseTarget(url);
      if (target === null) return Errno.invalid;
      const refusal = target.host === null ? null : network.egress.refusal(target.host, target.port);
      if (refusal !== null) {
        guest.report('error', `${target.scheme}: ${refusal.message}`);
        return refusal.errno;
      }
      return network.enter(guest) ? new HttpResource(guest, network, target) : Errno.tooManyOpen;
    },
  };
}

class HttpResource implements Resource {
  readonly scheme: string;
  readonly #guest: Process;
  readonly #network: Network;
  readonly #opened: Target;
  readonly #head = new HeadReader();
  /** Framing of the body; null until the head has ended. */
  #framing: RequestFraming | null = null;
  readonly #body = new ByteQueue();
  /** Number of bytes of #body that count against the handler's budget. */
  #keptBytes = 0;
  #upload: Upload | null = null;
  #call: HttpCall | null = null;
  /** Unread part of status line and header fields of the response; null before the first read. */
  #answer: ByteQueue | null = null;
  /** Errno of further calls; 0: they go on. */
  #failed: Errno | 0 = 0;
  readonly #onAbort = (): void => this.#call?.abort();

  constructor(guest: Process, network: Network, opened: Target) {
    this.scheme = opened.scheme;
    this.#guest = guest;
    this.#network = network;
    this.#opened = opened;
  }

  write(bytes: Uint8Array): number | Promise<void> {
    if (this.#failed !== 0) return this.#failed;
    if (bytes.length === 0) return 0;
    const framing = this.#framing;
    if (framing === null) return this.#writeHead(bytes);
    const skipped = framing.readFraming(bytes);
    if (typeof skipped === 'string') return this.#fail(Errno.invalid, skipped);
    if (skipped > 0) {
      if (framing.isComplete) this.#upload?.end();
      return skipped;
    }
    if (framing.isComplete || (framing.endsAtFlush && this.#call !== null)) return Errno.closed;
    const taken = this.#writeBody(framing, framing.data(bytes));
    if (typeof taken === 'number' && taken > 0) {
      framing.took(taken);
      if (framing.isComplete) this.#upload?.end();
    }
    return taken;
  }

  flush(): MaybePromise<number> {
    if (this.#failed !== 0) return this.#failed;
    if (this.#framing === null)
      return this.#fail(Errno.invalid, 'flush before the empty line that ends the request’s headers');
    this.#send();
    return this.#flushed() ?? this.#flushLater();
  }

  read(into: Uint8Array): number | Promise<void> {
    if (into.length === 0) return 0;
    if (this.#failed !== 0) return this.#failed;
    if (this.#call === null) return Errno.invalid;
    const { response, failure } = this.#call;
    if (failure !== null) return this.#callFailed(failure);
    if (response === null) return this.#call.changed.wait();
    if (this.#answer === null) {
      this.#answer = new ByteQueue();
      this.#answer.push(response.head());
    }
    const count = this.#answer.read(into);
    if (count > 0) return count;
    const body = response.read(into);
    if (body === null) return response.changed.wait();
    if (response.failure !== null && body < 0) return this.#callFailed(response.failure);
    return body;
  }

  close(): number {
    this.#failed = Errno.closed;
    if (this.#call !== null) this.#guest.signal.removeEventListener('abort', this.#onAbort);
    this.#call?.abort();
    this.#body.clear();
    this.#letGo();
    this.#network.leave(this.#guest);
    return 0;
  }

  readable(): Promise<void> | null {
    if (this.#failed !== 0 || this.#call === null || this.#call.failure !== null) return null;
    const { response } = this.#call;
    if (response === null) return this.#call.changed.wait();
    return this.#answer === null || this.#answer.length > 0 || response.isReadable ? null : response.changed.wait();
  }

  writable(): Promise<void> | null {
    return this.#upload?.writable() ?? null;
  }

  /** Whether more of the body may be written after flush. */
  get #isBodyOpen(): boolean {
    return this.#framing !== null && !this.#framing.endsAtFlush && !this.#framing.isComplete;
  }

  #writeHead(bytes: Uint8Array): number {
    const taken = this.#head.read(bytes);
    if (typeof taken === 'string') return this.#fail(Errno.invalid, taken);
    if (this.#head.head !== null) this.#framing = new RequestFraming(this.#head.head);
    // Bytes after the head belong to the body; the caller writes them again.
    return taken;
  }

  #writeBody(framing: RequestFraming, data: Uint8Array): number | Promise<void> {
    if (framing.endsAtFlush) {
      const max = httpRequestLimits.bufferedBodyBytes;
      if (this.#body.length + data.length > max)
        return this.#fail(Errno.tooBig, `a request body of more than ${max} bytes needs a Content-Length header`);
      return this.#keep(data);
    }
    // The first bytes wait for flush, so that a small request goes out in one piece.
    if (this.#call === null && this.#body.length + data.length <= httpRequestLimits.streamedFromBytes)
      return this.#keep(data);
    this.#send();
    return this.#failed !== 0 ? this.#failed : (this.#upload?.write(data) ?? Errno.closed);
  }

  /** Keeps body bytes until flush, counted against the handler's budget. Returns their number or an Errno. */
  #keep(bytes: Uint8Array): number {
    if (!this.#network.buffers.take(bytes.length)) {
      const { max } = this.#network.buffers;
      return this.#fail(Errno.noSpace, `the handler’s invocations hold more than ${max} bytes of request bodies`);
    }
    this.#keptBytes += bytes.length;
    this.#body.push(bytes);
    return bytes.length;
  }

  #letGo(): void {
    this.#network.buffers.give(this.#keptBytes);
    this.#keptBytes = 0;
  }

  /** Starts the call if it has not started. Sets #failed if it is refused. */
  #send(): void {
    if (this.#call !== null || this.#failed !== 0) return;
    const head = this.#head.head as RequestHead; // complete when the call begins
    const found = requested(this.#opened, head);
    if (typeof found === 'string') {
      this.#fail(Errno.invalid, found);
      return;
    }
    for (const url of found.urls) checkPolicy(this.#guest, url);
    const body = this.#body.takeAll();
    if (this.#isBodyOpen) {
      this.#upload = new Upload();
      this.#upload.write(body);
    }
    const headers = outgoingHeaders(head, {
      host: found.host,
      userAgent: this.#network.userAgent,
      handler: this.#guest.options.identity.handler,
    });
    this.#guest.signal.addEventListener('abort', this.#onAbort);
    this.#call = new HttpCall({
      network: this.#network,
      method: head.method,
      origin: found.origin,
      path: found.path,
      headers:
        this.#upload === null || head.isChunked ? headers : [...headers, 'content-length', String(head.contentLength)],
      body: this.#upload ?? (body.length > 0 ? body : null),
      follow: this.#opened.fragment === 'follow',
      checkUrl: (url) => checkHop(this.#guest, url),
      trace: this.#guest.options.trace,
    });
  }

  /** Returns the result of flush: 0, an Errno, or null if it must wait. */
  #flushed(): number | null {
    if (this.#failed !== 0) return this.#failed;
    const call = this.#call as HttpCall; // #send has set it or #failed
    if (call.failure !== null) return this.#callFailed(call.failure);
    if (call.response !== null) {
      this.#letGo();
      return 0;
    }
    return this.#isBodyOpen && this.#upload?.drained() === null ? 0 : null;
  }

  async #flushLater(): Promise<number> {
    for (;;) {
      const call = this.#call as HttpCall; // #send has set it or #failed
      // While the body has not ended, the response may never start: flush then returns when all written bytes have been
      // sent.
      const sent = this.#isBodyOpen ? this.#upload?.drained() : null;
      await (sent == null ? call.changed.wait() : Promise.race([sent, call.changed.wait()]));
      const result = this.#flushed();
      if (result !== null) return result;
    }
  }

  #callFailed(failure: NetworkFailure): Errno {
    if (this.#failed !== 0) return this.#failed;
    return this.#fail(failure.errno, failure.message);
  }

  #fail(errno: Errno, why: string): Errno {
    this.#failed = errno;
    this.#guest.report('error', `${this.scheme}: ${why}`);
    return errno;
  }
}

/** Throws NetworkFailure if the policy refuses the redirect to `url`; the Process has then ended. */
function checkHop(guest: Process, url: string): void {
  try {
    checkPolicy(guest, url);
  } catch (error) {
    if (!(error instanceof ProcessEnded)) throw networkFailure(error, 'following a redirect');
    throw new NetworkFailure(Errno.denied, `the policy refuses the redirect to ${url}`);
  }
}
