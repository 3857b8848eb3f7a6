/**
 * Sends one request of a component and receives its response, with the time limits of its request-options. A request
 * whose body has not ended is sent when the component waits for the response or has written more than can be held. So
 * most requests go out in one piece.
 */
import { Errno } from '../../../errno.ts';
import type { HttpField } from '../../../incoming-http.ts';
import { NetworkFailure } from '../../../net/failure.ts';
import { HttpCall } from '../../../net/http-call.ts';
import type { HttpExchange } from '../../../net/http-exchange.ts';
import { hopByHop, outgoingHeaders, type RequestHead } from '../../../net/http-request.ts';
import type { Requested } from '../../../net/http-requested.ts';
import { Upload } from '../../../net/http-upload.ts';
import type { Network } from '../../../net/network.ts';
import type { Process } from '../../../process.ts';
import type { MaybePromise, Resource } from '../../../resource.ts';
import { errorCodeOf, type HttpErrorCode } from './error-code.ts';
import { isForbidden } from './fields.ts';
import type { Incoming } from './incoming-body.ts';
import type { OutgoingRequest, RequestOptions } from './outgoing-request.ts';

/** Longest delay of a timer of Node in milliseconds. A longer limit is ignored: the invocation ends before. */
const timerMsMax = 2 ** 31 - 1;

export interface ClientCallOptions {
  readonly guest: Process;
  readonly network: Network;
  readonly head: RequestHead;
  readonly requested: Requested;
  readonly request: OutgoingRequest;
  readonly limits: RequestOptions | null;
}

export class ClientCall implements Incoming {
  readonly body: Resource;
  readonly #options: ClientCallOptions;
  #call: HttpCall | null = null;
  #upload: Upload | null = null;
  #failure: HttpErrorCode | null = null;
  #firstByte: NodeJS.Timeout | null = null;
  #betweenBytes: NodeJS.Timeout | null = null;
  #isClosed = false;
  readonly #onAbort = (): void => this.close();

  /** The call counts as a network resource of the Process: network.enter() must have been called. */
  constructor(options: ClientCallOptions) {
    this.#options = options;
    const { guest, request } = options;
    this.body = new ResponseBody(this, options.requested.origin.scheme);
    guest.signal.addEventListener('abort', this.#onAbort);
    request.events = {
      ready: () => this.start(),
      givenUp: (why) => this.fail({ tag: 'internal-error', value: why }),
    };
    if (request.bodyGivenUp !== null) this.fail({ tag: 'internal-error', value: request.bodyGivenUp });
    else if (request.pipe === null || request.pipe.isWhole) this.start();
  }

  get exchange(): HttpExchange | null {
    return this.#call?.response ?? null;
  }

  /** Error code of a call that failed before its response began; null for other calls. */
  get failure(): HttpErrorCode | null {
    if (this.#failure !== null) return this.#failure;
    const failure = this.#call?.failure ?? null;
    return failure === null ? null : errorCodeOf(failure);
  }

  /** Sends the request if it has not been sent. */
  start(): void {
    if (this.#call !== null || this.#isClosed || this.#failure !== null) return;
    const { guest, network, head, requested, request, limits } = this.#options;
    const { pipe } = request;
    let body: Uint8Array | Upload | null = null;
    if (pipe !== null) {
      // Only a body of unknown length can have trailers (RFC 9112 7.1.2).
      const hasTrailers = request.trailers.length > 0 && pipe.contentLength === null;
      if (pipe.isWhole && !hasTrailers) {
        const bytes = pipe.takeWhole();
        body = bytes.length > 0 ? bytes : null;
      } else {
        this.#upload = new Upload();
        body = this.#upload;
      }
    }
    const headers = outgoingHeaders(head, {
      host: requested.host,
      userAgent: network.userAgent,
      handler: guest.options.identity.handler,
    });
    const length = this.#upload === null ? null : (pipe?.contentLength ?? null);
    this.#call = new HttpCall({
      network,
      method: head.method,
      origin: requested.origin,
      path: requested.path,
      ...(this.#upload === null || length !== null
        ? { headers: length === null ? headers : [...headers, 'content-length', String(length)] }
        : { headers: [...headers, ...announcedTrailers(head)], trailers: () => request.trailers }),
      body,
      follow: false,
      checkUrl: () => undefined,
      trace: guest.options.trace,
      connectTimeoutMs: toMs(limits?.connectNs ?? null),
    });
    const upload = this.#upload;
    if (pipe !== null && upload !== null) {
      void pipe.attach(uploadResource(upload, pipe.scheme));
      request.events = {
        ready: () => pipe.end(() => upload.end()),
        givenUp: (why) => this.fail({ tag: 'internal-error', value: why }),
      };
      if (pipe.isOver) pipe.end(() => upload.end());
    }
    const firstByteMs = toMs(limits?.firstByteNs ?? null);
    if (firstByteMs !== null)
      this.#firstByte = setTimeout(() => {
        if (this.exchange === null) this.fail({ tag: 'connection-read-timeout' });
      }, firstByteMs);
  }

  /** Returns null if the response or a failure has arrived, else a promise to wait for. Sends the request. */
  readiness(): Promise<void> | null {
    this.start();
    if (this.failure !== null || this.#call === null) return null;
    if (this.exchange === null) return this.#call.changed.wait();
    clearTimeout(this.#firstByte ?? undefined);
    return null;
  }

  /** Resolves to null when the request goes out on a connection, else to why it does not. Never rejects. */
  async begun(): Promise<HttpErrorCode | null> {
    const isBegun = (): boolean => this.exchange !== null || this.#call?.isBegun === true;
    while (this.failure === null && this.#call !== null && !isBegun()) await this.#call.changed.wait();
    return isBegun() ? null : (this.failure ?? { tag: 'connection-terminated' });
  }

  /** Ends the call. `code` becomes the failure of a call without a response; a body that has begun ends early. */
  fail(code: HttpErrorCode): void {
    if (this.exchange === null) this.#failure ??= code;
    this.#call?.abort();
    this.#upload?.stop();
    if (this.exchange !== null) this.exchange.abort(new NetworkFailure(Errno.closed, 'given up'));
  }

  /** Returns the header fields of the response without those of the connection. */
  fields(): readonly HttpField[] {
    const { exchange } = this;
    return exchange === null ? [] : toFields(exchange.rawHeaders, hopByHop(exchange.values('connection')));
  }

  trailers(): readonly HttpField[] {
    return toFields(this.exchange?.rawTrailers ?? [], hopByHop([]));
  }

  /** Returns why the body failed. `errno`: the Errno that its read returned. */
  errorCode(errno: number): HttpErrorCode {
    if (this.#failure !== null) return this.#failure;
    const failure = this.exchange?.failure ?? null;
    if (failure === null || errno === Errno.closed) return { tag: 'HTTP-response-incomplete' };
    return errno === Errno.timedOut ? { tag: 'connection-read-timeout' } : errorCodeOf(failure);
  }

  /** Limits the wait for the next bytes of the body. Returns a promise to wait for. */
  waits(promise: Promise<void>): Promise<void> {
    const ms = toMs(this.#options.limits?.betweenBytesNs ?? null);
    if (ms === null || this.#betweenBytes !== null) return promise;
    const timer = setTimeout(() => {
      this.exchange?.abort(new NetworkFailure(Errno.timedOut, `no byte of the response within ${ms} ms`));
    }, ms);
    this.#betweenBytes = timer;
    void promise.then(() => {
      clearTimeout(timer);
      this.#betweenBytes = null;
    });
    return promise;
  }

  /** Ends the call and its timers. Does nothing after the first time. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const { guest, network, request } = this.#options;
    guest.signal.removeEventListener('abort', this.#onAbort);
    clearTimeout(this.#firstByte ?? undefined);
    clearTimeout(this.#betweenBytes ?? undefined);
    this.#call?.abort();
    this.exchange?.abort(new NetworkFailure(Errno.closed, 'given up'));
    this.#upload?.stop();
    request.pipe?.close();
    network.leave(guest);
  }
}

/** Reads the body of the response for the guest. */
class ResponseBody implements Resource {
  readonly scheme: string;
  readonly #call: ClientCall;

  constructor(call: ClientCall, scheme: string) {
    this.#call = call;
    this.scheme = scheme;
  }

  read(into: Uint8Array): number | Promise<void> {
    const { exchange } = this.#call;
    if (exchange === null) return Errno.closed;
    if (into.length === 0) return 0;
    return exchange.read(into) ?? this.#call.waits(exchange.changed.wait());
  }

  write(): number {
    return Errno.notSupported;
  }

  flush(): number {
    return 0;
  }

  close(): number {
    this.#call.close();
    return 0;
  }

  readable(): Promise<void> | null {
    const { exchange } = this.#call;
    return exchange === null || exchange.isReadable ? null : this.#call.waits(exchange.changed.wait());
  }
}

/** Returns the fields Trailer, which go with a chunked body only: name, value, name, value … */
function announcedTrailers({ headers }: RequestHead): readonly string[] {
  return headers.filter(([name]) => name === 'trailer').flat();
}

function uploadResource(upload: Upload, scheme: string): Resource {
  return {
    scheme,
    read: () => Errno.notSupported,
    write: (bytes) => (bytes.length === 0 ? 0 : upload.write(bytes)),
    flush: (): MaybePromise<number> => 0,
    close: () => 0,
    writable: () => upload.writable(),
  };
}

function toFields(raw: readonly Buffer[], dropped: ReadonlySet<string>): readonly HttpField[] {
  const fields: HttpField[] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = (raw[i] as Buffer).toString('latin1').toLowerCase();
    if (!dropped.has(name) && !isForbidden(name)) fields.push([name, raw[i + 1] as Buffer]);
  }
  return fields;
}

/** Returns whole milliseconds, rounded up; null if no limit can take effect. */
function toMs(ns: bigint | null): number | null {
  if (ns === null) return null;
  const ms = (ns + 999_999n) / 1_000_000n;
  return ms > BigInt(timerMsMax) ? null : Number(ms);
}
