/**
 * A Resource is something opened by URL (or a standard stream); a descriptor points at it.
 *
 * Numbers >= 0 are counts of bytes, negative ones are Errno. A value costs nothing; a promise
 * suspends the guest. Data is copied only synchronously, into or out of a view of the guest's
 * memory that is current at that moment: a read or write that has to wait returns a promise that
 * carries no data, and is **called again** with a fresh view once it has settled. So a view never
 * outlives a suspension, and memory.grow in between is harmless.
 */
export type MaybePromise<T> = T | Promise<T>;

export interface Resource {
  /** Scheme name, the key of accounting: `http`, `log`, `stdin`. */
  readonly scheme: string;
  /** Fills `into` from its start; bytes read, 0 only when nothing was asked for or (null:) by design; Errno.end at the end. */
  read(into: Uint8Array): number | Promise<void>;
  /** Takes from the start of `bytes` and copies what it keeps; bytes taken. */
  write(bytes: Uint8Array): number | Promise<void>;
  /** 0 or Errno. */
  flush(): MaybePromise<number>;
  /** Releases what is held. Called once, at close or at the end of the Process. 0 or Errno. */
  close(): MaybePromise<number>;
  /** For polling: null when a read (write) would answer at once. Absent: always at once. */
  readable?(): Promise<void> | null;
  writable?(): Promise<void> | null;
  /** What the guest may know of what is behind it (isatty, sock_*). Absent: a plain stream. */
  readonly device?: 'terminal' | 'socket';
  /** A socket's half close: no more reading, no more writing (FIN). 0 or Errno. */
  shutdown?(half: { readonly read: boolean; readonly write: boolean }): MaybePromise<number>;
}

export interface OpenFlags {
  readonly read: boolean;
  readonly write: boolean;
}
