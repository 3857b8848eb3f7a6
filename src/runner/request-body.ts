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

export interface StandardInput extends Resource {
  /** Bytes of body that have arrived here. */
  readonly bytes: number;
  /** Bytes of the whole body; null where that is not known. */
  readonly length: number | null;
  /**
   * Waits for what the guest should find at its first read: of a body of unknown length all that is collected, of
   * every other one what has come with the head. null: there is no body.
   */
  collect(): Promise<void> | null;
  /** Lets go of the request and of what was collected: the guest reads nothing any more. */
  release(): void;
}

export interface RequestBodyOptions {
  readonly request: IncomingMessage;
  /** As the request declares it; null where it does not (chunked). */
  readonly length: number | null;
  /** The Limits' bodyBytes. */
  readonly bytesMax: number;
  /** Bytes that bodies of all Invocations hold while they are collected. */
  readonly collected: ByteBudget;
  /** The body is larger than bytesMax: the Process is to end as body_too_large. */
  readonly onTooLarge: () => void;
  /** `collected` has no room: the Process is to end as overloaded. */
  readonly onNoRoom: () => void;
  /** Called before the first read, where the client waits for `100 Continue`. */
  readonly onFirstRead: (() => void) | null;
}

const arrived = Promise.resolve();
const wakingEvents = ['readable', 'end', 'close'] as const;

export class RequestBody implements StandardInput {
  readonly scheme = 'stdin';
  readonly #options: RequestBodyOptions;
  readonly #request: IncomingMessage;
  /** What has been collected and not read; the guest reads it first. */
  #collected: Buffer[] = [];
  /** Bytes taken from the budget. */
  #held = 0;
  /** The chunk that the guest is reading. */
  #chunk: Buffer | null = null;
  #isStarted = false;
  /** Resolves the wait; null until there has been one. */
  #wake: (() => void) | null = null;
  /** Listens on the request; null until there has been a wait. */
  #listener: (() => void) | null = null;
  bytes = 0;
  length: number | null;

  constructor(options: RequestBodyOptions) {
    this.#options = options;
    this.#request = options.request;
    this.length = options.length;
  }

  collect(): Promise<void> | null {
    // http tells of a body that came in one piece with its head right after the head, within the same turn: a guest
    // that ran at once would have to wait for it, which costs more than all else that reading it takes.
    return this.length === null ? this.#collect() : arrived;
  }

  read(into: Uint8Array): number | Promise<void> {
    if (into.length === 0) return 0;
    const chunk = this.#chunk ?? this.#next();
    if (chunk === null) {
      const request = this.#request;
      // A request cut off in the middle ends the Process from elsewhere; here it is no end of file.
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
   * Gives up what is collected and lets the rest of the body flow away. A Readable with a `readable` listener does not
   * flow: with it, what is unread would stay, and `end` never come.
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

  /** Returns what has arrived on the connection, in one piece; null for nothing, and for a body that is too large. */
  #arrived(): Buffer | null {
    if (!this.#isStarted) {
      this.#isStarted = true;
      this.#options.onFirstRead?.();
    }
    const chunk = this.#request.read() as Buffer | null;
    if (chunk === null) return null;
    this.bytes += chunk.length;
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
 * Returns the number of bytes that the head of `request` announces; null for a chunked body. 0: there is no body, or an
 * empty one.
 */
export function declaredBytes(request: IncomingMessage): number | null {
  if (request.headers['transfer-encoding'] !== undefined) return null;
  return Number(request.headers['content-length'] ?? 0);
}
