/**
 * The request and the answer of a component that speaks wasi:http: fields and status come as such, there is no CGI in
 * between. The body leaves through CgiOutput, which from the head on treats it as the body of any other answer.
 *
 *     waiting --answer--> begun --end--> ended
 *        |                  +--breakOff--> cut
 *        +--fail--> failed
 *
 * A component that has returned is waiting (no_answer), begun or cut (the connection is broken off), failed, or ended.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { HttpField, IncomingHttp } from '../guest/kernel/incoming-http.ts';
import { connectionFields } from '../guest/kernel/net/connection-fields.ts';
import type { Resource } from '../guest/kernel/resource.ts';
import { runnerLimits } from '../protocol/limits.ts';
import { isPlatformField } from '../protocol/platform-fields.ts';
import { traceparentField } from '../protocol/trace-context.ts';
import { triggerFacts } from '../protocol/trigger.ts';
import type { CgiOutput, Finished } from './cgi-output.ts';
import { isHandedOn } from './cgi-request.ts';
import type { FunctionCall } from './function-call.ts';
import { actsOnOrigin } from './shared-origin.ts';

/** Request fields that belong to the connection, or that the component gets in another form (host). */
const ofConnection = new Set([...connectionFields, 'host', 'te']);

const ofServer = new Set([...ofConnection, 'trailer']);

/** Returns whether only the server sets the response field `name` (lower case; RFC 9110 section 7.6.1). */
function isServers(name: string): boolean {
  return ofServer.has(name) || isPlatformField(name);
}

export interface HttpAnswerOptions {
  readonly call: FunctionCall;
  readonly scheme: 'http' | 'https';
  readonly body: Resource;
  readonly output: CgiOutput;
  /** Whether forwarding fields of a trusted proxy are passed on; and the caller's Authorization. */
  readonly isProxied: boolean;
  readonly passAuthorization: boolean;
}

export class HttpAnswer implements IncomingHttp {
  readonly body: Resource;
  readonly #options: HttpAnswerOptions;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #output: CgiOutput;
  #state: 'waiting' | 'begun' | 'ended' | 'cut' | 'failed' = 'waiting';
  /** Problem to report at the end; null: none. */
  #result: Finished | null = null;

  constructor(options: HttpAnswerOptions) {
    this.#options = options;
    this.body = options.body;
    this.#request = options.call.request;
    this.#response = options.call.response;
    this.#output = options.output;
  }

  get method(): string {
    return this.#options.call.method;
  }

  get scheme(): 'http' | 'https' {
    return this.#options.scheme;
  }

  get authority(): string | null {
    const { authority } = this.#options.call.address;
    return authority === '' ? null : authority;
  }

  get pathWithQuery(): string {
    const { path, query } = this.#options.call.address;
    return `${path === '' ? '/' : path}${query === '' ? '' : `?${query}`}`;
  }

  /**
   * Fields that the guest gets: those of the request without those of the connection, and traceparent, and the facts of
   * a trigger.
   */
  get fields(): readonly HttpField[] {
    const { trigger, trace } = this.#options.call;
    const sent = fieldsOf(this.#request.rawHeaders).filter(
      ([name]) =>
        !ofConnection.has(name) && isHandedOn(name, this.#options) && (trace === null || name !== traceparentField),
    );
    if (trace !== null) sent.push([traceparentField, Buffer.from(trace.traceparent)]);
    if (trigger === null) return sent;
    const facts = Object.entries(triggerFacts).flatMap(([variable, field]): HttpField[] => {
      const value = trigger.env[variable];
      return value === undefined ? [] : [[field, Buffer.from(value)]];
    });
    return [...sent, ...facts];
  }

  trailers(): readonly HttpField[] {
    return fieldsOf(this.#request.rawTrailers).filter(([name]) => !ofConnection.has(name));
  }

  inform(status: number, fields: readonly HttpField[]): void {
    // RFC 9110 section 15.2: a client of HTTP/1.0 gets no interim responses.
    if (this.#state !== 'waiting' || this.#request.httpVersionMinor === 0 || this.#response.headersSent) return;
    const headers: Record<string, string[]> = {};
    for (const [name, value] of fields) {
      if (isServers(name)) continue;
      headers[name] ??= [];
      headers[name].push(latin1(value));
    }
    this.#response.writeInformation(status, headers);
  }

  answer(status: number, fields: readonly HttpField[]): Resource {
    this.#state = 'begun';
    const headers: string[] = [];
    let contentLength: number | null = null;
    let bytes = 0;
    let acts = false;
    for (const [name, value] of fields) {
      bytes += name.length + value.length + 4;
      if (isServers(name)) continue;
      const text = latin1(value);
      if (name === 'content-length') contentLength = Number(text);
      else headers.push(name, text);
      acts ||= actsOnOrigin(name);
    }
    if (bytes > runnerLimits.headerBytes)
      this.breakOff(`the fields of the answer take ${bytes} bytes, at most ${runnerLimits.headerBytes} are sent`);
    this.#output.begin({
      kind: 'head',
      status,
      reason: '',
      headers,
      actsOnOrigin: acts,
      contentLength,
      localRedirect: null,
      bodyStart: 0,
    });
    return this.#output;
  }

  end(trailers: readonly HttpField[]): void {
    if (this.#state !== 'begun') return;
    this.#state = 'ended';
    if (trailers.length > 0) {
      // Only a body of unknown length can have trailers (RFC 9112 section 7.1.2).
      this.#output.commit();
      if (this.#response.chunkedEncoding && !this.#response.writableEnded) {
        const sent = trailers.filter(([name]) => !isServers(name) && name !== 'content-length');
        this.#response.addTrailers(sent.map(([name, value]): [string, string] => [name, latin1(value)]));
      }
    }
    this.#result = this.#output.finish();
  }

  breakOff(why: string): void {
    if (this.#state !== 'begun' && this.#state !== 'waiting') return;
    this.#state = 'cut';
    this.#result = { kind: 'bad', code: 'no_answer', message: why };
  }

  fail(error: string): void {
    if (this.#state !== 'waiting') return;
    this.#state = 'failed';
    this.#result = { kind: 'bad', code: 'no_answer', message: `the component answered with the error ${error}` };
  }

  /** Whether the component has begun an answer. */
  get isBegun(): boolean {
    return this.#state !== 'waiting';
  }

  /** Whether the component has ended its answer, and the client's connection has taken all of it. */
  get isWhole(): boolean {
    return this.#state === 'ended' && this.#response.writableFinished;
  }

  /** Returns the result of a component that has ended. */
  finish(): Finished {
    if (this.#result !== null) return this.#result;
    const message =
      this.#state === 'waiting'
        ? 'the component returned without an answer: neither response-outparam.set (0.2) nor task.return (0.3) was called'
        : 'the component returned before the body of its answer was finished';
    return { kind: 'bad', code: 'no_answer', message };
  }
}

function fieldsOf(raw: readonly string[]): HttpField[] {
  const fields: HttpField[] = [];
  for (let index = 0; index + 1 < raw.length; index += 2)
    fields.push([(raw[index] as string).toLowerCase(), Buffer.from(raw[index + 1] as string, 'latin1')]);
  return fields;
}

/**
 * Most octets of a value that a loop reads. A Buffer of it would take memory outside of V8's heap, for the garbage
 * collector.
 */
const shortValue = 64;

/** Returns octets in the form of Node's http: one character each. */
function latin1(value: Uint8Array): string {
  if (value.length > shortValue) return Buffer.from(value.buffer, value.byteOffset, value.length).toString('latin1');
  let text = '';
  for (const octet of value) text += String.fromCharCode(octet);
  return text;
}
