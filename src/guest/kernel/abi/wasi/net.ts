/**
 * Opens every Resource of the kernel by path: `/net/SCHEME/REST` is `SCHEME://REST`, so a WASI program needs open,
 * read and write alone.
 */
import { KIB } from '../../../../protocol/limits.ts';
import { Errno } from '../../errno.ts';
import { openUrl } from '../../open.ts';
import type { Process } from '../../process.ts';
import type { MaybePromise, OpenFlags, Resource } from '../../resource.ts';

/** Most bytes held for one descriptor after sock_recv with peek. */
const peekedBytesMax = 64 * KIB;

const netPath = /^net\/([a-z][a-z0-9+.-]*)\/(.*)$/s;

/** Returns the URL for `path` below the preopen `preopen`; null for an ordinary path. */
export function netUrl(guest: Process, preopen: string | null, path: string): string | null {
  if (preopen !== '/') return null;
  const parts = netPath.exec(path);
  if (parts === null || guest.options.schemes.find(parts[1] as string) === undefined) return null;
  return `${parts[1]}://${parts[2]}`;
}

/**
 * Opens a URL of the network for the guest. Returns the open Resource, or an Errno: closed when the Process has ended
 * meanwhile.
 */
export function openNet(guest: Process, url: string, flags: OpenFlags): MaybePromise<NetResource | number> {
  const opened = openUrl(guest, url, flags);
  if (opened instanceof Promise) return opened.then((resource) => wrap(guest, resource));
  return wrap(guest, opened);
}

function wrap(guest: Process, resource: Resource | number): MaybePromise<NetResource | number> {
  if (typeof resource === 'number') return resource;
  if (guest.end === null) return new NetResource(resource);
  // The Process ended while the open waited, so no other code closes the Resource.
  void Promise.resolve(resource.close()).catch(() => {});
  return Errno.closed;
}

/**
 * Wraps a Resource so that a read after a write flushes first. Programs that know only read and write never flush, and
 * their request would never be answered.
 */
export class NetResource implements Resource {
  readonly #inner: Resource;
  #isDirty = false;
  #flushing: Promise<void> | null = null;
  /** Errno of a flush that a read made; the next read returns it. */
  #failed = 0;
  /** Bytes that a peek has returned and that no read has returned yet. */
  #peeked: Uint8Array = new Uint8Array(0);

  constructor(inner: Resource) {
    this.#inner = inner;
  }

  get scheme(): string {
    return this.#inner.scheme;
  }

  get device(): 'terminal' | 'socket' | undefined {
    return this.#inner.device;
  }

  read(into: Uint8Array): number | Promise<void> {
    if (this.#peeked.length > 0) {
      const count = this.#look(into);
      this.#peeked = this.#peeked.subarray(count);
      return count;
    }
    const flushed = this.#flushed();
    if (flushed !== null) return flushed;
    const failed = this.#failed;
    this.#failed = 0;
    return failed < 0 ? failed : this.#inner.read(into);
  }

  /**
   * Reads as read() does, but keeps the bytes for the next read. Returns fewer than asked for if fewer have been read
   * so far.
   */
  peek(into: Uint8Array): number | Promise<void> {
    if (into.length > 0 && this.#peeked.length === 0) {
      const bytes = new Uint8Array(Math.min(into.length, peekedBytesMax));
      const count = this.read(bytes);
      if (typeof count !== 'number' || count <= 0) return count;
      this.#peeked = bytes.subarray(0, count);
    }
    return this.#look(into);
  }

  write(bytes: Uint8Array): number | Promise<void> {
    const result = this.#inner.write(bytes);
    if (result !== 0) this.#isDirty = true;
    return result;
  }

  flush(): MaybePromise<number> {
    this.#isDirty = false;
    return this.#inner.flush();
  }

  close(): MaybePromise<number> {
    return this.#inner.close();
  }

  readable(): Promise<void> | null {
    if (this.#peeked.length > 0) return null;
    return this.#flushed() ?? (this.#failed < 0 ? null : (this.#inner.readable?.() ?? null));
  }

  writable(): Promise<void> | null {
    return this.#inner.writable?.() ?? null;
  }

  shutdown(half: { readonly read: boolean; readonly write: boolean }): MaybePromise<number> {
    return this.#inner.shutdown?.(half) ?? Errno.notSupported;
  }

  #look(into: Uint8Array): number {
    const part = this.#peeked.subarray(0, into.length);
    into.set(part);
    return part.length;
  }

  /** Returns null if all written bytes have been flushed, else a promise to wait for. */
  #flushed(): Promise<void> | null {
    if (this.#flushing !== null) return this.#flushing;
    if (!this.#isDirty) return null;
    const result = this.flush();
    if (typeof result === 'number') {
      this.#failed = result;
      return null;
    }
    this.#flushing = result.then((value) => {
      this.#failed = value;
      this.#flushing = null;
    });
    return this.#flushing;
  }
}
