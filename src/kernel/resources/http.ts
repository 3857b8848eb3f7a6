/**
 * `http:` and `https:`: the guest writes an HTTP/1.1 request, flushes, and reads the response as
 * HTTP/1.1 text: status line, headers, empty line, body (ABIS.md, Resource schemes).
 *
 *     request --head and body written, flush--> sent --head arrived--> response --> end
 *
 * The head is read as soon as its empty line is written. With a Content-Length the body may be longer
 * than what is buffered: it then goes out while the guest writes on, before flush or after it.
 */
import { Errno } from '../errno.ts';
import { ByteQueue } from '../net/byte-queue.ts';
import { NetworkFailure, networkFailure } from '../net/failure.ts';
import { HttpCall } from '../net/http-call.ts';
import type { HttpOrigin } from '../net/http-pool.ts';
import {
  httpRequestLimits,
  outgoingHeaders,
  parseRequestHead,
  type RequestHead,
  valuesOf,
} from '../net/http-request.ts';
import { Upload } from '../net/http-upload.ts';
import type { Network } from '../net/network.ts';
import { originOf, parseAuthority, parseTarget, type Target } from '../net/target.ts';
import { checkPolicy } from '../open.ts';
import { type Process, ProcessEnded } from '../process.ts';
import type { MaybePromise, Resource, Scheme } from '../resource.ts';

/** `http:` and `https:` over the handler's network. */
export function httpScheme(network: Network): Scheme {
  return {
    names: ['http', 'https'],
    open: (url, process) => {
      const target = parseTarget(url);
      if (target === null) return Errno.invalid;
      const refusal = target.host === null ? null : network.egress.refusal(target.host, target.port);
      if (refusal !== null) {
        process.log(1, 'platform', `${target.scheme}: ${refusal.message}`);
        return refusal.errno;
      }
      return network.enter(process) ? new HttpResource(process, network, target) : Errno.tooManyOpen;
    },
  };
}

class HttpResource implements Resource {
  readonly scheme: string;
  readonly #process: Process;
  readonly #network: Network;
  readonly #opened: Target;
  /** Request line and headers so far; null once they have been read. */
  #headBytes: ByteQueue | null = new ByteQueue();
  /** What the last bytes of the head were: how far its empty line is. */
  #lineState: 'start' | 'line' | 'empty' | 'emptyCr' = 'start';
  #head: RequestHead | null = null;
  readonly #body = new ByteQueue();
  /** Bytes of it that the handler's budget counts. */
  #keptBytes = 0;
  /** Body bytes that Content-Length promises and that have not been written. */
  #bodyLeft = 0;
  #upload: Upload | null = null;
  #call: HttpCall | null = null;
  /** Status line and headers of the response, not yet read. */
  #answer: ByteQueue | null = null;
  #failed: Errno | 0 = 0;
  readonly #onAbort = (): void => this.#call?.abort();

  constructor(process: Process, network: Network, opened: Target) {
    this.scheme = opened.scheme;
    this.#process = process;
    this.#network = network;
    this.#opened = opened;
  }

  write(bytes: Uint8Array): number | Promise<void> {
    if (this.#failed !== 0) return this.#failed;
    if (bytes.length === 0) return 0;
    if (this.#headBytes !== null) return this.#writeHead(this.#headBytes, bytes);
    const head = this.#head as RequestHead;
    if (head.contentLength === null) {
      if (this.#call !== null) return Errno.closed;
      if (this.#body.length + bytes.length > httpRequestLimits.bufferedBodyBytes) {
        return this.#fail(
          Errno.tooBig,
          `a request body of more than ${httpRequestLimits.bufferedBodyBytes} bytes needs a Content-Length header`,
        );
      }
      return this.#keep(bytes);
    }
    if (this.#bodyLeft === 0) return Errno.closed;
    const part = bytes.subarray(0, this.#bodyLeft);
    // The first bytes wait for flush, so that a small request goes out in one piece.
    if (this.#upload === null && this.#body.length + part.length <= httpRequestLimits.streamedFromBytes) {
      this.#bodyLeft -= part.length;
      return this.#keep(part);
    }
    this.#send();
    const taken = (this.#upload as Upload | null)?.write(part) ?? this.#failed;
    if (typeof taken === 'number' && taken > 0) {
      this.#bodyLeft -= taken;
      if (this.#bodyLeft === 0) this.#upload?.end();
    }
    return taken;
  }

  flush(): MaybePromise<number> {
    if (this.#failed !== 0) return this.#failed;
    if (this.#headBytes !== null) {
      return this.#fail(Errno.invalid, 'flush before the empty line that ends the request’s headers');
    }
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
    if (this.#call !== null) this.#process.signal.removeEventListener('abort', this.#onAbort);
    this.#call?.abort();
    this.#body.clear();
    this.#letGo();
    this.#network.leave(this.#process);
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

  #writeHead(head: ByteQueue, bytes: Uint8Array): number {
    let start = 0;
    // Empty lines in front of the request line are skipped (RFC 9112 2.2).
    if (head.length === 0) while (bytes[start] === 10 || bytes[start] === 13) start += 1;
    let end = start;
    for (; end < bytes.length; end += 1) {
      if (this.#endsHead(bytes[end] as number)) {
        end += 1;
        break;
      }
    }
    if (head.length + end - start > httpRequestLimits.headBytes)
      return this.#fail(Errno.tooBig, `the request’s head is longer than ${httpRequestLimits.headBytes} bytes`);
    head.push(bytes.subarray(start, end));
    if (this.#lineState !== 'start' || head.length === 0) return end;
    const parsed = parseRequestHead(head.takeAll());
    if (typeof parsed === 'string') return this.#fail(Errno.invalid, parsed);
    this.#headBytes = null;
    this.#head = parsed;
    this.#bodyLeft = parsed.contentLength ?? 0;
    // The rest of `bytes` is body: the caller writes it again.
    return end;
  }

  /** Whether `byte` ends the empty line that ends the head; the state is 'start' again then. */
  #endsHead(byte: number): boolean {
    if (byte === 10) {
      const ends = this.#lineState === 'empty' || this.#lineState === 'emptyCr';
      this.#lineState = ends ? 'start' : 'empty';
      return ends;
    }
    this.#lineState = byte === 13 && this.#lineState === 'empty' ? 'emptyCr' : 'line';
    return false;
  }

  /** Body bytes that wait for flush; all of a handler's are counted. */
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

  /** Starts the call where that has not happened; a refusal is in #failed afterwards. */
  #send(): void {
    if (this.#call !== null || this.#failed !== 0) return;
    const head = this.#head as RequestHead;
    const found = requested(this.#opened, head);
    if (typeof found === 'string') {
      this.#fail(Errno.invalid, found);
      return;
    }
    for (const url of found.urls) checkPolicy(this.#process, url);
    const body = this.#body.takeAll();
    if (this.#bodyLeft > 0) {
      this.#upload = new Upload();
      this.#upload.write(body);
    }
    const headers = outgoingHeaders(head, {
      host: found.host,
      userAgent: this.#network.userAgent,
      handler: this.#process.options.identity.handler,
    });
    this.#process.signal.addEventListener('abort', this.#onAbort);
    this.#call = new HttpCall({
      network: this.#network,
      method: head.method,
      origin: found.origin,
      path: found.path,
      headers: this.#upload === null ? headers : [...headers, 'content-length', String(head.contentLength)],
      body: this.#upload ?? (body.length > 0 ? body : null),
      follow: this.#opened.fragment === 'follow',
      checkUrl: (url) => checkHop(this.#process, url),
    });
  }

  /** What flush answers now; null: not yet. */
  #flushed(): number | null {
    if (this.#failed !== 0) return this.#failed;
    const call = this.#call as HttpCall;
    if (call.failure !== null) return this.#callFailed(call.failure);
    if (call.response !== null) {
      this.#letGo();
      return 0;
    }
    return this.#bodyLeft > 0 && this.#upload?.drained() === null ? 0 : null;
  }

  async #flushLater(): Promise<number> {
    for (;;) {
      const call = this.#call as HttpCall;
      // With body still to come the answer may never start: then flush means "sent so far".
      const sent = this.#bodyLeft > 0 ? this.#upload?.drained() : null;
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
    this.#process.log(1, 'platform', `${this.scheme}: ${why}`);
    return errno;
  }
}

interface Requested {
  readonly origin: HttpOrigin;
  readonly path: string;
  /** The Host header. */
  readonly host: string;
  /** What is requested, for the policy: by the host connected to, and by the Host header where that differs. */
  readonly urls: readonly string[];
}

/**
 * What the head asks of the opened URL, or what is wrong. The target's host, where it names one, must be
 * the opened URL's; without one in the URL it is the target's or the Host header's (RFC 9112 3.2.2).
 */
function requested(opened: Target, head: RequestHead): Requested | string {
  const scheme = opened.scheme === 'https' ? 'https' : 'http';
  const [hostHeader] = valuesOf(head.headers, 'host');
  let path = head.target;
  let named = opened.host === null ? null : { host: opened.host, port: opened.port };
  if (!path.startsWith('/') && path !== '*') {
    const absolute = parseTarget(path);
    if (absolute === null || absolute.host === null) return 'the request target is no valid URL';
    const origin: HttpOrigin = { scheme, host: absolute.host, port: absolute.port };
    if (absolute.scheme !== scheme || (named !== null && originOf(origin) !== originOf({ scheme, ...named })))
      return 'the request target names another host than the URL that was opened';
    named = origin;
    path = absolute.path.startsWith('/') ? absolute.path : `/${absolute.path}`;
  }
  const header = hostHeader === undefined || hostHeader === '' ? null : parseAuthority(hostHeader, scheme);
  if (hostHeader !== undefined && hostHeader !== '' && header === null) return 'the Host header names no host';
  named ??= header;
  if (named === null) return 'neither the URL nor a Host header names a host';
  const origin: HttpOrigin = { scheme, ...named };
  if (path !== '*') {
    // Dot segments and backslashes are resolved here, so that what the policy sees is what is sent.
    const url = new URL(`${originOf(origin)}${percentEncoded(path)}`);
    path = `${url.pathname}${url.search}`;
  }
  const urls = [`${originOf(origin)}${path === '*' ? '' : path}`];
  const hostText = originOf({ scheme, ...(header ?? named) }).slice(scheme.length + 3);
  const byHeader = `${scheme}://${hostText}${path === '*' ? '' : path}`;
  if (byHeader !== urls[0]) urls.push(byHeader);
  return { origin, path, host: hostText, urls };
}

/** The target was read as latin1: its bytes above 0x7f become %XX each. */
function percentEncoded(path: string): string {
  return path.replace(/[\x80-\xff]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** The policy's word on a redirect, as a failure of the call: the Process has ended by then. */
function checkHop(process: Process, url: string): void {
  try {
    checkPolicy(process, url);
  } catch (error) {
    if (!(error instanceof ProcessEnded)) throw networkFailure(error, 'following a redirect');
    throw new NetworkFailure(Errno.denied, `the policy refuses the redirect to ${url}`);
  }
}
