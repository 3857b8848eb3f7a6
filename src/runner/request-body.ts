/** The request's body as standard input: pulled from the socket only as the guest reads. */
import type { IncomingMessage } from 'node:http';
import { Errno } from '../guest/kernel/errno.ts';
import type { Resource } from '../guest/kernel/resource.ts';

export interface StandardInput extends Resource {
  /** Bytes of body that have arrived here. */
  readonly bytes: number;
  /** Lets go of the request: nothing is read any more. */
  release(): void;
}

export interface RequestBodyOptions {
  readonly request: IncomingMessage;
  /** The Limits' bodyBytes. */
  readonly bytesMax: number;
  /** The body is larger than that: the Process is to end as body_too_large. */
  readonly onTooLarge: () => void;
  /** Before the first read, where the client waits for `100 Continue`. */
  readonly onFirstRead: (() => void) | null;
}

const wakingEvents = ['readable', 'end', 'close'] as const;

export class RequestBody implements StandardInput {
  readonly scheme = 'stdin';
  readonly #options: RequestBodyOptions;
  readonly #request: IncomingMessage;
  #chunk: Buffer | null = null;
  #isStarted = false;
  /** Resolves the wait; null until there has been one. */
  #wake: (() => void) | null = null;
  /** Listens on the request; null until there has been a wait. */
  #listener: (() => void) | null = null;
  /** Bytes of body that have arrived here. */
  bytes = 0;

  constructor(options: RequestBodyOptions) {
    this.#options = options;
    this.#request = options.request;
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
   * Takes this body's listeners off the request: the Process has ended. A Readable with a `readable` listener
   * does not flow, so what is unread would never be read and `end` would never come.
   */
  release(): void {
    if (this.#listener === null) return;
    for (const event of wakingEvents) this.#request.off(event, this.#listener);
    this.#listener = null;
  }

  #next(): Buffer | null {
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
  read: (into) => (into.length === 0 ? 0 : Errno.end),
  write: () => Errno.badDescriptor,
  flush: () => 0,
  close: () => 0,
  release: () => {},
};
