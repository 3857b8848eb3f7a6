/**
 * Runs one request and its response on one connection, as a dispatch handler of undici. The body waits in a bounded
 * queue; while the queue is full the connection is paused.
 */
import type { Dispatcher } from 'undici';
import { Errno } from '../errno.ts';
import { ByteQueue } from './byte-queue.ts';
import { NetworkFailure, networkFailure } from './failure.ts';
import { hopByHop } from './http-request.ts';
import { Wakeup } from './wakeup.ts';

export const httpResponseLimits = {
  /** Most bytes of status line and header fields. */
  headBytes: 64 * 1024,
  /** Most interim responses (RFC 9110 15.2) before a response: they have no end that the guest would wait for. */
  interim: 64,
  /** Most body bytes that have arrived and not been read. One chunk of a socket (64 KiB) may exceed it. */
  queuedBytes: 64 * 1024,
} as const;

type State = 'waiting' | 'body' | 'ended' | 'failed';

export class HttpExchange implements Dispatcher.DispatchHandler {
  readonly changed = new Wakeup();
  status = 0;
  /** Header fields as received: name, value, name, value … */
  rawHeaders: readonly Buffer[] = [];
  /** Trailers in the same form, complete when the body has ended. */
  rawTrailers: readonly Buffer[] = [];
  failure: NetworkFailure | null = null;
  /** Whether the request goes out: it has got its connection. */
  isBegun = false;
  /** Number of interim responses. */
  #interim = 0;
  #statusText = '';
  #state: State = 'waiting';
  readonly #queue = new ByteQueue();
  #controller: Dispatcher.DispatchController | null = null;
  readonly #what: string;
  readonly #onEnd: (ok: boolean) => void;

  /**
   * `what` names the request in failures. `onEnd` is called once, with false if the connection cannot be used again.
   */
  constructor(what: string, onEnd: (ok: boolean) => void) {
    this.#what = what;
    this.#onEnd = onEnd;
  }

  get hasHead(): boolean {
    return this.#state === 'body' || this.#state === 'ended' || this.status !== 0;
  }

  get isOver(): boolean {
    return this.#state === 'ended' || this.#state === 'failed';
  }

  /** Whether read() would return a number. */
  get isReadable(): boolean {
    return this.isOver || this.#queue.length > 0;
  }

  /** Returns status line, header fields and empty line, without the fields of the hop. */
  head(): Uint8Array {
    const parts: (Buffer | string)[] = [`HTTP/1.1 ${this.status} ${this.#statusText}\r\n`];
    const dropped = hopByHop(this.values('connection'));
    for (let i = 0; i + 1 < this.rawHeaders.length; i += 2) {
      const name = this.rawHeaders[i] as Buffer;
      if (dropped.has(name.toString('latin1').toLowerCase())) continue;
      parts.push(name, ': ', this.rawHeaders[i + 1] as Buffer, '\r\n');
    }
    parts.push('\r\n');
    return Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part)));
  }

  /** Returns the values of the response headers called `name` (lower case). */
  values(name: string): readonly string[] {
    const found: string[] = [];
    for (let i = 0; i + 1 < this.rawHeaders.length; i += 2) {
      if ((this.rawHeaders[i] as Buffer).toString('latin1').toLowerCase() === name)
        found.push((this.rawHeaders[i + 1] as Buffer).toString('latin1'));
    }
    return found;
  }

  /**
   * Reads body bytes into `into`. Returns their number, Errno.end after the last, the Errno of the failure, or null if
   * the caller must wait for `changed`.
   */
  read(into: Uint8Array): number | null {
    const count = this.#queue.read(into);
    if (count > 0) {
      if (this.#queue.length < httpResponseLimits.queuedBytes / 2) this.#controller?.resume();
      return count;
    }
    if (this.#state === 'ended') return Errno.end;
    return this.#state === 'failed' ? (this.failure?.errno ?? Errno.unknown) : null;
  }

  abort(reason: NetworkFailure): void {
    if (this.isOver) return;
    this.#finish('failed', reason);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    this.isBegun = true;
    this.changed.wake();
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    _headers: unknown,
    statusText?: string,
  ): void {
    if (this.#state !== 'waiting') return;
    // A status 1xx is not the response (RFC 9110 15.2).
    if (status < 200) {
      this.#interim += 1;
      if (this.#interim > httpResponseLimits.interim)
        this.abort(
          new NetworkFailure(Errno.tooBig, `${this.#what}: more than ${httpResponseLimits.interim} interim responses`),
        );
      return;
    }
    this.status = status;
    this.#statusText = (statusText ?? '').replace(/[^\x20-\x7e]/g, '');
    const raw = controller.rawHeaders;
    this.rawHeaders = Array.isArray(raw) ? raw.map((part) => Buffer.from(part)) : [];
    this.#state = 'body';
    this.changed.wake();
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#state !== 'body') return;
    this.#queue.push(chunk);
    if (this.#queue.length >= httpResponseLimits.queuedBytes) controller.pause();
    this.changed.wake();
  }

  onResponseEnd(controller: Dispatcher.DispatchController): void {
    const raw = controller.rawTrailers;
    this.rawTrailers = Array.isArray(raw) ? raw.map((part) => Buffer.from(part)) : [];
    if (!this.isOver) this.#finish('ended', null);
  }

  onResponseError(_controller: unknown, error: Error): void {
    if (!this.isOver) this.#finish('failed', networkFailure(error, this.#what));
  }

  #finish(state: 'ended' | 'failed', failure: NetworkFailure | null): void {
    this.#state = state;
    this.failure = failure;
    this.#controller = null;
    this.changed.wake();
    this.#onEnd(state === 'ended');
  }
}
