/** Makes Resources of the terminal's streams: raw bytes, waiting while the other side is slow. */

import type { Readable, Writable } from 'node:stream';
import { Errno } from '../../src/guest/kernel/errno.ts';
import type { MaybePromise, Resource } from '../../src/guest/kernel/resource.ts';
import { ValueReader } from '../../src/guest/kernel/resources/value-reader.ts';

/** Standard input. The stream is opened at the first read, so a guest that reads nothing consumes nothing. */
export class StreamSource implements Resource {
  readonly scheme = 'stdin';
  readonly device?: 'terminal';
  readonly #open: () => Readable;
  #stream: Readable | null = null;
  #rest: Uint8Array = new Uint8Array(0);
  #isOver = false;
  #waiting: Promise<void> | null = null;

  /** `isTerminal`: result of the guest's isatty. */
  constructor(open: () => Readable, isTerminal = false) {
    this.#open = open;
    if (isTerminal) this.device = 'terminal';
  }

  read(into: Uint8Array): number | Promise<void> {
    if (into.length === 0) return 0;
    if (!this.#fill()) return this.#isOver ? Errno.end : this.#wait();
    const part = this.#rest.subarray(0, into.length);
    into.set(part);
    this.#rest = this.#rest.subarray(part.length);
    return part.length;
  }

  write(): number {
    return Errno.notSupported;
  }

  flush(): number {
    return 0;
  }

  /** Releases the stream: an open terminal would keep the tool running. */
  close(): number {
    this.#isOver = true;
    this.#stream?.destroy();
    return 0;
  }

  readable(): Promise<void> | null {
    return this.#fill() || this.#isOver ? null : this.#wait();
  }

  #fill(): boolean {
    if (this.#rest.length > 0) return true;
    if (this.#isOver) return false;
    const stream = this.#use();
    const chunk: unknown = stream.read();
    if (chunk instanceof Uint8Array) this.#rest = chunk;
    else if (stream.readableEnded || stream.destroyed) this.#isOver = true;
    return this.#rest.length > 0;
  }

  /** Returns one promise for all callers: a guest that polls in a loop must not add listeners each time. */
  #wait(): Promise<void> {
    const stream = this.#use();
    this.#waiting ??= new Promise((resolve) => {
      const events = ['readable', 'end', 'close'] as const;
      const done = () => {
        for (const event of events) stream.off(event, done);
        this.#waiting = null;
        resolve();
      };
      for (const event of events) stream.on(event, done);
    });
    return this.#waiting;
  }

  #use(): Readable {
    if (this.#stream === null) {
      this.#stream = this.#open();
      // A stream that cannot be read (a closed descriptor, a folder) is an empty input.
      this.#stream.on('error', () => {
        this.#isOver = true;
      });
    }
    return this.#stream;
  }
}

/** A source of bytes that are known as a whole. */
export class BytesSource extends ValueReader implements Resource {
  readonly scheme = 'stdin';

  write(): number {
    return Errno.notSupported;
  }

  flush(): number {
    return 0;
  }

  close(): number {
    return 0;
  }
}

/** Standard output or standard error. */
export class StreamSink implements Resource {
  readonly scheme: string;
  readonly device?: 'terminal';
  readonly #stream: Writable;
  #draining: Promise<void> | null = null;

  constructor(scheme: 'stdout' | 'stderr', stream: Writable & { readonly isTTY?: boolean }) {
    this.scheme = scheme;
    this.#stream = stream;
    if (stream.isTTY === true) this.device = 'terminal';
  }

  read(): number {
    return Errno.notSupported;
  }

  write(bytes: Uint8Array): number | Promise<void> {
    if (this.#stream.destroyed || this.#stream.writableEnded) return Errno.closed;
    if (this.#stream.writableNeedDrain) return this.#drained();
    // Copies the bytes: the stream may keep them while the guest changes its memory.
    this.#stream.write(Uint8Array.from(bytes));
    return bytes.length;
  }

  flush(): MaybePromise<number> {
    const stream = this.#stream;
    if (stream.destroyed || stream.writableLength === 0) return 0;
    return new Promise((resolve) => {
      stream.write('', (error) => resolve(error ? Errno.closed : 0));
    });
  }

  close(): MaybePromise<number> {
    return this.flush();
  }

  writable(): Promise<void> | null {
    return this.#stream.writableNeedDrain ? this.#drained() : null;
  }

  #drained(): Promise<void> {
    const stream = this.#stream;
    this.#draining ??= new Promise((resolve) => {
      const events = ['drain', 'close', 'error'] as const;
      const done = () => {
        for (const event of events) stream.off(event, done);
        this.#draining = null;
        resolve();
      };
      for (const event of events) stream.on(event, done);
    });
    return this.#draining;
  }
}
