/**
 * The request's body as standard input: pulled from the socket only as the guest reads.
 *
 * A chunked body comes without its length, and CGI programs read CONTENT_LENGTH bytes: such a body is collected
 * before the guest runs, up to runnerLimits.collectedBytes. A longer one is streamed, without CONTENT_LENGTH.
 */
import type { IncomingMessage } from 'node:http';
import { Errno } from '../guest/kernel/errno.ts';
import type { Resource } from '../guest/kernel/resource.ts';
import { runnerLimits } from '../protocol/limits.ts';
import type { ByteBudget } from '../waiting/byte-budget.ts';
import { bodyIsWhole } from './linger.ts';

export interface StandardInput extends Resource {
  /** Bytes of the body received so far. */
  readonly bytes: number;
  /** Bytes of the whole body; null: unknown. */
  readonly length: number | null;
  /**
   * Waits for the bytes that the guest should find at its first read: for a body of unknown length all collected bytes,
   * for any other body those that arrived with the head. null: there is no body.
   */
  collect(): Promise<void> | null;
  /** Releases the request and the collected bytes: the guest reads no more. */
  release(): void;
}

export interface RequestBodyOptions {
  readonly request: IncomingMessage;
  /** Length that the request declares; null: none (chunked). */
  readonly length: number | null;
  /** Value of the Limits' bodyBytes. */
  readonly bytesMax: number;
  /** Budget for bytes of all Invocations' bodies while they are collected. */
  readonly collected: ByteBudget;
  /** Is called when the body is larger than bytesMax: the Process must end as body_too_large. */
  readonly onTooLarge: () => void;
  /** Is called when `collected` has no room: the Process must end as overloaded. */
  readonly onNoRoom: () => void;
  /** Is called before the first read if the client waits for `100 Continue`; null: it does not. */
  readonly onFirstRead: (() => void) | null;
}

const arrived = Promise.resolve();
const wakingEvents = ['readable', 'end', 'close'] as const;

export class RequestBody implements StandardInput {
  readonly scheme = 'stdin';
  readonly #options: RequestBodyOptions;
  readonly #request: IncomingMessage;
  /** Collected bytes that have not been read; the guest reads them first. */
  #collected: Buffer[] = [];
  /** Bytes taken from the budget. */
  #held = 0;
  /** Chunk that the guest is reading. */
  #chunk: Buffer | null = null;
  #isStarted = false;
  /** Resolves the wait; null before the first one. */
  #wake: (() => void) | null = null;
  /** Listener on the request; null before the first wait. */
  #listener: (() => void) | null = null;
  bytes = 0;
  length: number | null;

  constructor(options: RequestBodyOptions) {
    this.#options = options;
    this.#request = options.request;
    this.length = options.length;
  }

  collect(): Promise<void> | null {
    // http reports a body that came in one piece with its head right after the head, in the same turn: a guest that ran
    // at once would have to wait, which costs more than the read itself.
    return this.length === null ? this.#collect() : arrived;
  }

  read(into: Uint8Array): number | Promise<void> {
    if (into.length === 0) return 0;
    const chunk = this.#chunk ?? this.#next();
    if (chunk === null) {
      const request = this.#request;
      // A request that is cut off ends the Process by another path; here it is no end of file.
      if (request.readableEnded) return Errno.end;
      if (request.destroyed) return request.complete ? Errno.end : Errno.closed;
      return this.#wait();
    }
    const size = Math.min(chunk.length, into.length);
    into.set(size === chunk.length ? chunk : chunk.subarray(0, size));
    this.#chunk = size === chunk.length ? null : chunk.subarray(size);
    return size;
  }

  write(): number {
    return Errno.badDescriptor;
  }

  flush(): number {
    return 0;
  }

  close(): number {
    return 0;
  }

  readable(): Promise<void> | null {
    this.#chunk ??= this.#next();
    const request = this.#request;
    return this.#chunk !== null || request.readableEnded || request.destroyed ? null : this.#wait();
  }

  /**
   * Drops collected bytes and lets the rest of the body flow away. A Readable with a `readable` listener does not flow:
   * unread bytes would stay, and `end` would never come.
   */
  release(): void {
    this.#collected = [];
    this.#options.collected.give(this.#held);
    this.#held = 0;
    if (this.#listener === null) return;
    for (const event of wakingEvents) this.#request.off(event, this.#listener);
    this.#listener = null;
  }

  async #collect(): Promise<void> {
    const request = this.#request;
    while (this.bytes <= runnerLimits.collectedBytes) {
      const chunk = this.#arrived();
      if (chunk === null) {
        if (request.readableEnded) this.length = this.bytes;
        if (request.readableEnded || request.destroyed) return;
        await this.#wait();
        continue;
      }
      if (!this.#options.collected.take(chunk.length)) {
        this.#options.onNoRoom();
        return;
      }
      this.#held += chunk.length;
      this.#collected.push(chunk);
    }
  }

  #next(): Buffer | null {
    return this.#collected.shift() ?? this.#arrived();
  }

  /** Returns the bytes that have arrived on the connection, in one piece; null: none, or the body is too large. */
  #arrived(): Buffer | null {
    if (!this.#isStarted) {
      this.#isStarted = true;
      this.#options.onFirstRead?.();
    }
    const chunk = this.#request.read() as Buffer | null; // no encoding is set
    if (chunk === null) return null;
    this.bytes += chunk.length;
    if (this.bytes === this.#options.length) bodyIsWhole(this.#request);
    if (this.bytes <= this.#options.bytesMax) return chunk;
    this.#options.onTooLarge();
    return null;
  }

  #wait(): Promise<void> {
    if (this.#wake === null) {
      const wake = (): void => this.#wake?.();
      this.#listener = wake;
      for (const event of wakingEvents) this.#request.on(event, wake);
    }
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

/** Standard input of a request without a body. */
export const emptyBody: StandardInput = {
  scheme: 'stdin',
  bytes: 0,
  length: null,
  collect: () => null,
  read: (into) => (into.length === 0 ? 0 : Errno.end),
  write: () => Errno.badDescriptor,
  flush: () => 0,
  close: () => 0,
  release: () => {},
};

/**
 * Returns the number of bytes that the head of `request` declares; null for a chunked body; 0: no body, or an empty
 * one.
 */
export function declaredBytes(request: IncomingMessage): number | null {
  if (request.headers['transfer-encoding'] !== undefined) return null;
  return Number(request.headers['content-length'] ?? 0);
}
