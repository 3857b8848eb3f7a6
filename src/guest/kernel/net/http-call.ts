/**
 * Makes one request up to its final response: takes a connection, tries once more if a kept-alive connection was dead,
 * and follows redirects if the guest asked for that.
 */
import { Errno } from '../errno.ts';
import type { OpenSpan, ProcessTrace } from '../process-trace.ts';
import { NetworkFailure as Failure, type NetworkFailure, networkFailure } from './failure.ts';
import type { HttpExchange } from './http-exchange.ts';
import type { HttpOrigin, HttpSend } from './http-pool.ts';
import { Upload } from './http-upload.ts';
import type { Network } from './network.ts';
import { originOf, parseTarget, speaks } from './target.ts';
import { Wakeup } from './wakeup.ts';

export const httpCallLimits = {
  /** Most redirects of one request, as in the Fetch standard, 4.5. */
  redirectsMax: 20,
} as const;

/** The request that the guest wrote; `path` is in origin-form. */
export interface HttpCallOptions extends HttpSend {
  readonly network: Network;
  readonly follow: boolean;
  /** Called with the URL of each redirect before it is requested; throws to refuse it. */
  readonly checkUrl: (url: string) => void;
  /** Trace that the request is a part of; undefined: none. */
  readonly trace: ProcessTrace | undefined;
}

export class HttpCall {
  readonly changed = new Wakeup();
  /** Exchange whose response the guest gets; null until its head has arrived. */
  response: HttpExchange | null = null;
  failure: NetworkFailure | null = null;
  /** Whether the request goes out on a connection, or has. */
  isBegun = false;
  readonly #options: HttpCallOptions;
  readonly #span: OpenSpan | null;
  #exchange: HttpExchange | null = null;

  constructor(options: HttpCallOptions) {
    this.#options = options;
    this.#span = options.trace === undefined ? null : options.trace.begin(partOf(options));
    void this.#run();
  }

  abort(): void {
    this.#fail(new Failure(Errno.closed, 'given up'));
    this.#exchange?.abort(new Failure(Errno.closed, 'given up'));
  }

  async #run(): Promise<void> {
    try {
      let hop: HttpSend = this.#span === null ? this.#options : tracedRequest(this.#options, this.#span);
      for (let hops = 0; ; hops += 1) {
        const exchange = await this.#send(hop);
        const next = this.#options.follow ? redirect(hop, exchange) : null;
        if (next === null) {
          this.response = exchange;
          this.#endSpan(null, exchange.status);
          this.changed.wake();
          return;
        }
        // The body of a redirect has come with its head, or is not worth a wait: then the connection is given up.
        exchange.abort(new Failure(Errno.closed, 'the redirect is followed'));
        if (hops >= httpCallLimits.redirectsMax)
          throw new Failure(Errno.loop, `more than ${httpCallLimits.redirectsMax} redirects`);
        this.#options.checkUrl(`${originOf(next.origin)}${next.path}`);
        hop = next;
      }
    } catch (error) {
      this.#fail(networkFailure(error, `${this.#options.method} ${originOf(this.#options.origin)}`));
    }
  }

  /** Sends `hop` and returns its exchange, with the head of the response. Throws NetworkFailure. */
  async #send(hop: HttpSend): Promise<HttpExchange> {
    for (let fresh = false; ; fresh = true) {
      if (this.failure !== null) throw this.failure;
      const { exchange, reused } = await this.#options.network.http.send(hop, fresh);
      this.#exchange = exchange;
      // The call was aborted while the pool prepared a connection.
      if (this.failure !== null) exchange.abort(this.failure);
      while (!exchange.hasHead && !exchange.isOver) {
        if (exchange.isBegun) this.#begun();
        await exchange.changed.wait();
      }
      if (exchange.hasHead) return exchange;
      const failure = exchange.failure as NetworkFailure; // it is over without a head
      if (!reused || this.failure !== null || failure.errno !== Errno.closed || !canRepeat(hop)) throw failure;
    }
  }

  #begun(): void {
    if (this.isBegun) return;
    this.isBegun = true;
    this.changed.wake();
  }

  #fail(failure: NetworkFailure): void {
    if (this.failure !== null || this.response !== null) return;
    this.failure = failure;
    this.#endSpan(failure.message, 0);
    this.changed.wake();
  }

  #endSpan(error: string | null, status: number): void {
    if (this.#span === null) return;
    if (error !== null) this.#span.end(error);
    else this.#span.end(status >= 400 ? `status ${status}` : null, { 'http.response.status_code': status });
  }
}

/** The path is left out as is the query: both may hold secrets of the guest. */
function partOf({ method, origin }: HttpSend) {
  const { host, port } = origin;
  const address = host.kind === 'name' ? host.name : host.address;
  return {
    name: method,
    kind: 'client' as const,
    attributes: { 'http.request.method': method, 'server.address': address, 'server.port': port },
  };
}

/** Returns the request with the fields of the trace, unless the guest has set its own. */
function tracedRequest(request: HttpSend, { traceparent, tracestate }: OpenSpan): HttpSend {
  const { headers } = request;
  for (let i = 0; i < headers.length; i += 2)
    if ((headers[i] as string).toLowerCase() === 'traceparent') return request;
  const state = tracestate === null ? [] : ['tracestate', tracestate];
  return { ...request, headers: [...headers, 'traceparent', traceparent, ...state] };
}

/**
 * Returns whether the request may be sent again after the connection closed without a response: it must be idempotent
 * (RFC 9110 9.2.2) and its body still available.
 */
function canRepeat(hop: HttpSend): boolean {
  return ['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'].includes(hop.method) && !(hop.body instanceof Upload);
}

/** Returns the request of the redirect (RFC 9110 15.4); null if there is none to follow. */
function redirect(hop: HttpSend, exchange: HttpExchange): HttpSend | null {
  const { status } = exchange;
  const [location] = exchange.values('location');
  if (![301, 302, 303, 307, 308].includes(status) || location === undefined) return null;
  const base = `${originOf(hop.origin)}${hop.path === '*' ? '/' : hop.path}`;
  if (!URL.canParse(location, base)) return null;
  const url = new URL(location, base);
  if (url.username !== '' || url.password !== '') return null;
  const target = parseTarget(`${url.protocol}//${url.host}${url.pathname}${url.search}`);
  if (target === null || target.host === null || !speaks('http', target.scheme)) return null;
  const toGet = (status === 303 && hop.method !== 'HEAD') || (status <= 302 && hop.method === 'POST');
  // A streamed body cannot be sent again, so the guest gets the redirect.
  if (!toGet && hop.body instanceof Upload) return null;
  const origin: HttpOrigin = { scheme: target.scheme, host: target.host, port: target.port };
  const dropped = new Set(['host']);
  if (toGet) for (const name of ['content-type', 'content-encoding', 'content-language']) dropped.add(name);
  // Credentials for one origin are not sent to another, as in fetch.
  if (originOf(origin) !== originOf(hop.origin)) for (const name of ['authorization', 'cookie']) dropped.add(name);
  const headers = ['host', url.host];
  for (let i = 0; i + 1 < hop.headers.length; i += 2) {
    const name = hop.headers[i] as string;
    if (!dropped.has(name.toLowerCase())) headers.push(name, hop.headers[i + 1] as string);
  }
  return { origin, path: target.path, method: toGet ? 'GET' : hop.method, headers, body: toGet ? null : hop.body };
}
