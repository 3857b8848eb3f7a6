/**
 * What a guest opens by URL, and the standard streams. Descriptors stand for Resources.
 *
 * A number >= 0 is a count of bytes, a negative one an Errno. A number costs nothing; a promise suspends the guest.
 * Bytes are copied only synchronously, into or out of a view of the guest's memory that is current at that moment: a
 * read or write that has to wait returns a promise without data, and is **called again** with a fresh view once that
 * has settled. So no view outlives a suspension, and memory.grow in between is harmless.
 */
export type MaybePromise<T> = T | Promise<T>;

export interface Resource {
  /** Name of the scheme, under which bytes are accounted: `http`, `log`, `stdin`. */
  readonly scheme: string;
  /**
   * Fills `into` from its start. Returns the bytes read, Errno.end at the end, or another Errno; 0 only where nothing
   * was asked for, or by design (null:). Returns a promise where it has to wait, and is called again then.
   */
  read(into: Uint8Array): number | Promise<void>;
  /**
   * Copies bytes from the start of `bytes`. Returns how many, or an Errno. Returns a promise where it has to wait,
   * and is called again then.
   */
  write(bytes: Uint8Array): number | Promise<void>;
  /** Commits or sends what was written. Returns 0 or an Errno. */
  flush(): MaybePromise<number>;
  /** Lets go of what is held. Called once, at close or at the end of the Process. Returns 0 or an Errno. */
  close(): MaybePromise<number>;
  /**
   * Returns null where a read (a write) would not wait, else a promise that settles when that may have changed.
   * Absent: it never waits.
   */
  readable?(): Promise<void> | null;
  writable?(): Promise<void> | null;
  /** Kind of device that the guest may learn of (isatty, sock_*). Absent: a plain stream. */
  readonly device?: 'terminal' | 'socket';
  /** Ends reading, writing (FIN) or both on a socket. Returns 0 or an Errno. */
  shutdown?(half: { readonly read: boolean; readonly write: boolean }): MaybePromise<number>;
}

export interface OpenFlags {
  readonly read: boolean;
  readonly write: boolean;
}
