/**
 * Shows a standard stream as the Resource of descriptors. The stream belongs to the caller of the Process and outlives
 * every descriptor.
 */
import type { MaybePromise, Resource } from './resource.ts';

/** Reads, writes and flushes `stream`. Its own close leaves `stream` open. */
export class SharedStream implements Resource {
  readonly stream: Resource;

  constructor(stream: Resource) {
    this.stream = stream;
  }

  get scheme(): string {
    return this.stream.scheme;
  }

  read(into: Uint8Array): number | Promise<void> {
    return this.stream.read(into);
  }

  write(bytes: Uint8Array): number | Promise<void> {
    return this.stream.write(bytes);
  }

  flush(): MaybePromise<number> {
    return this.stream.flush();
  }

  /**
   * Does nothing and does not wait for the reader of the stream: the reader may be stuck, and a Process must be able to
   * end.
   */
  close(): number {
    return 0;
  }

  readable(): Promise<void> | null {
    return this.stream.readable?.() ?? null;
  }

  writable(): Promise<void> | null {
    return this.stream.writable?.() ?? null;
  }
}
