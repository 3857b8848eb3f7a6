/** Standard streams belong to whoever started the Process; a descriptor for one only borrows it. */
import type { MaybePromise, Resource } from './resource.ts';

/** Reads, writes and flushes `stream`; closing it leaves the stream open. */
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

  /** Waits for nobody: at the end of a Process whose reader is stuck, this must still come to an end. */
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
