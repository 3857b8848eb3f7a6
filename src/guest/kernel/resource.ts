/**
 * A Resource: the target of a descriptor. A guest opens it by URL, or it is a standard stream.
 *
 * A number >= 0 is a count of bytes, a negative one an Errno. A number costs nothing; a promise suspends the guest.
 * Bytes are copied only synchronously, into or out of a view of the guest's memory that is current at that moment: a
 * read or write that has to wait returns a promise without data, and is **called again** with a fresh view after that
 * promise has settled. So no view outlives a suspension, and a memory.grow in between is harmless.
 */
export type MaybePromise<T> = T | Promise<T>;

export interface Resource {
  /** Name of the scheme under which bytes are accounted: `http`, `log`, `stdin`. */
  readonly scheme: string;
  /**
   * Fills `into` from its start. Returns the bytes read, Errno.end at the end, or another Errno; 0 only if no bytes
   * were asked for, or by design (null:). Returns a promise if it has to wait, and is called again afterwards.
   */
  read(into: Uint8Array): number | Promise<void>;
  /**
   * Takes bytes from the start of `bytes`, as a copy. Returns their number or an Errno. Returns a promise if it has to
   * wait, and is called again afterwards.
   */
  write(bytes: Uint8Array): number | Promise<void>;
  /** Commits or sends written bytes. Returns 0 or an Errno. */
  flush(): MaybePromise<number>;
  /** Releases what the Resource holds. Called once, at close or at the end of the Process. Returns 0 or an Errno. */
  close(): MaybePromise<number>;
  /**
   * Returns null if a read would not wait, else a promise that settles when that may have changed. Absent: a read never
   * waits. `writable` does the same for writes.
   */
  readable?(): Promise<void> | null;
  writable?(): Promise<void> | null;
  /** Kind of device that the guest may learn (isatty, sock_*). Absent: a plain stream. */
  readonly device?: 'terminal' | 'socket';
  /** Port of this end of a TCP connection. Absent: it is none. */
  readonly localPort?: number;
  /** Ends reading, writing (FIN) or both on a socket. Returns 0 or an Errno. */
  shutdown?(half: { readonly read: boolean; readonly write: boolean }): MaybePromise<number>;
}

export interface OpenFlags {
  readonly read: boolean;
  readonly write: boolean;
}
