/**
 * Follows a handler's log over WebSocket. After a lost connection it continues at the cursor of the last line, so a
 * reconnect neither misses nor repeats lines.
 */
import { WebSocket } from 'ws';
import { type ErrorCode, PlatformError } from '../../src/protocol/errors.ts';
import { MIB } from '../../src/protocol/limits.ts';
import type { LogLine, LogStream } from '../../src/protocol/nouns.ts';
import { notOurs, parseJson, problemError, type Target, unreachable } from './http.ts';
import { logFrameAnswer } from './views/logs.ts';

export interface LogTailOptions {
  readonly handler: string;
  /** Only lines with a greater cursor. */
  readonly after: number;
  readonly grep?: string;
  /** Only lines at least this severe. */
  readonly level?: number;
  readonly stream?: LogStream;
  /** Slug of a preview; '': only lines that belong to no preview. */
  readonly preview?: string;
  readonly invocation?: string;
  readonly deployment?: number;
  /** A regular expression in the syntax of RE2. */
  readonly regex?: string;
  /** Fields that lines have, each as NAME=VALUE, or NAME for any value. */
  readonly field?: readonly string[];
  /** First pause before a reconnect, in milliseconds; doubles up to `backoffMsMax`. */
  readonly backoffMs?: number;
}

export interface LogTailListener {
  lines(lines: readonly LogLine[]): void;
  /** Tells the number of lines that the platform dropped (a full buffer, a slow reader). */
  dropped(count: number): void;
  state(state: LogTailState): void;
  /** Tells that the server refuses and another attempt would not help. The tail has ended. */
  failed(error: PlatformError): void;
}

export type LogTailState =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'live' }
  /**
   * After a lost connection, everything that was stored meanwhile has come. `missed`: number of lines that are lost or
   * not kept any more; null: unknown, because the server's log is not the one that was read before.
   */
  | { readonly kind: 'resumed'; readonly missed: number | null }
  /** The next attempt comes in `inMs` milliseconds. */
  | { readonly kind: 'waiting'; readonly inMs: number; readonly why: string };

const backoffMsMax = 10_000;
/** Milliseconds without a pong after which the server counts as gone, even if TCP has noticed nothing. */
const heartbeatMs = 15_000;
const handshakeMs = 10_000;
/** Bytes of a frame: 1,000 lines of 16 KiB in a batch (logLimits). */
const frameBytesMax = 32 * MIB;
/** Bytes of the answer that refuses an upgrade, a problem document of a few lines. */
const refusalBytesMax = 64 * 1024;

/** Close codes after which another attempt would end in the same way: Token revoked, handler deleted, not allowed. */
const refusals: Readonly<Record<number, ErrorCode>> = {
  4401: 'unauthorized',
  4403: 'forbidden',
  4404: 'not_found',
  1008: 'forbidden',
};

export class LogTail {
  readonly #target: Target;
  readonly #options: LogTailOptions;
  readonly #listener: LogTailListener;
  #cursor: number;
  #socket: WebSocket | null = null;
  #timer: NodeJS.Timeout | undefined;
  #heartbeat: NodeJS.Timeout | undefined;
  #attempts = 0;
  /** Lines dropped since the connection was lost; null: it was not lost, or all has been told. */
  #missed: number | null = null;
  #closed = false;

  constructor(target: Target, options: LogTailOptions, listener: LogTailListener) {
    this.#target = target;
    this.#options = options;
    this.#listener = listener;
    this.#cursor = options.after;
  }

  start(): this {
    this.#connect();
    return this;
  }

  /** Ends the tail; the listener is not called any more. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearInterval(this.#heartbeat);
    this.#socket?.terminate();
    this.#socket = null;
  }

  #connect(): void {
    this.#listener.state({ kind: 'connecting' });
    const socket = new WebSocket(this.#url(), {
      headers: this.#target.token === null ? {} : { authorization: `Bearer ${this.#target.token}` },
      handshakeTimeout: handshakeMs,
      maxPayload: frameBytesMax,
      followRedirects: false,
    });
    this.#socket = socket;
    let why = 'the connection ended';
    let refused = false;
    socket.on('open', () => {
      this.#listener.state({ kind: 'live' });
      this.#beat(socket);
    });
    socket.on('message', (data) => {
      try {
        this.#frame(data.toString());
      } catch (error) {
        this.#fail(error instanceof PlatformError ? error : notOurs(this.#target.server, 'a damaged log frame', error));
      }
    });
    socket.on('unexpected-response', (_request, response) => {
      refused = true;
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        if (text.length < refusalBytesMax) text += chunk;
      });
      response.on('close', () => {
        if (this.#closed) return;
        const headers = { get: (name: string) => response.headers[name]?.toString() ?? null };
        const status = response.statusCode ?? 0;
        const error = problemError({ status, headers }, text, this.#target.server);
        socket.terminate();
        // 429 and 5xx are temporary; any other status concerns this client.
        if (status === 429 || status >= 500) this.#retry(error.message);
        else this.#fail(error);
      });
    });
    socket.on('error', (error) => {
      why = unreachable(this.#target.server, error).message;
    });
    socket.on('close', (code, reason) => {
      clearInterval(this.#heartbeat);
      if (this.#closed || refused) return;
      const refusal = refusals[code];
      if (refusal !== undefined) {
        this.#fail(new PlatformError(refusal, reason.toString() || 'the server ended the log'));
        return;
      }
      // 1006 means "no close frame" (RFC 6455, 7.4.1); then `why` says more.
      this.#retry(code === 1006 ? why : reason.toString() || `closed with ${code}`);
    });
  }

  #frame(text: string): void {
    if (this.#closed) return;
    const frame = logFrameAnswer.parse(parseJson(text, this.#target.server));
    this.#attempts = 0;
    if (frame.dropped > 0) this.#listener.dropped(frame.dropped);
    if (this.#missed !== null) this.#missed += frame.dropped;
    // After a reconnect the server starts after this cursor; lines that were seen before would be the server's mistake.
    const fresh = frame.lines.filter((line) => line.cursor > this.#cursor);
    const last = fresh.at(-1);
    if (last !== undefined) {
      this.#cursor = last.cursor;
      this.#listener.lines(fresh);
    }
    if (frame.caughtUp !== undefined) this.#caughtUp(frame.caughtUp);
  }

  /** Takes the word of the server that all lines up to `cursor` have come. Only that word makes a gap impossible. */
  #caughtUp(cursor: number): void {
    const missed = cursor < this.#cursor ? null : this.#missed;
    const wasLost = this.#missed !== null;
    this.#missed = null;
    this.#cursor = Math.max(this.#cursor, cursor);
    if (wasLost) this.#listener.state({ kind: 'resumed', missed });
  }

  #beat(socket: WebSocket): void {
    let answered = true;
    socket.on('pong', () => {
      answered = true;
    });
    this.#heartbeat = setInterval(() => {
      if (!answered) {
        socket.terminate();
        return;
      }
      answered = false;
      socket.ping();
    }, heartbeatMs);
  }

  #retry(why: string): void {
    if (this.#closed) return;
    this.#missed ??= 0;
    const first = this.#options.backoffMs ?? 250;
    const longest = Math.min(backoffMsMax, first * 2 ** Math.min(this.#attempts, 10));
    this.#attempts += 1;
    // Waits between half and all of it, so that many readers do not reconnect at the same time.
    const inMs = Math.round(longest * (0.5 + Math.random() / 2));
    this.#listener.state({ kind: 'waiting', inMs, why });
    this.#timer = setTimeout(() => this.#connect(), inMs);
  }

  #fail(error: PlatformError): void {
    if (this.#closed) return;
    this.close();
    this.#listener.failed(error);
  }

  #url(): URL {
    const { handler, grep, level, stream, preview, invocation, deployment, regex, field = [] } = this.#options;
    const url = new URL(`${this.#target.server}/api/v1/handlers/${encodeURIComponent(handler)}/logs/stream`);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    url.searchParams.set('after', String(this.#cursor));
    if (grep) url.searchParams.set('grep', grep);
    if (stream !== undefined) url.searchParams.set('stream', stream);
    if (preview !== undefined) url.searchParams.set('preview', preview);
    if (level !== undefined) url.searchParams.set('level', String(level));
    if (invocation !== undefined) url.searchParams.set('invocation', invocation);
    if (deployment !== undefined) url.searchParams.set('deployment', String(deployment));
    if (regex !== undefined) url.searchParams.set('regex', regex);
    for (const one of field) url.searchParams.append('field', one);
    return url;
  }
}
