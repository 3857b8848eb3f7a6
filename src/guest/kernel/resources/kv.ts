/**
 * Opens `kv://BUCKET/KEY`, a durable value of the handler. Reads return the value as it was at the first read. Bytes
 * written since the open replace the whole value at flush or close, atomically.
 */
import { messageOf, PlatformError } from '../../../protocol/errors.ts';
import { kvLimits } from '../../../protocol/limits.ts';
import { storeNamePattern } from '../../../protocol/names.ts';
import { Errno } from '../errno.ts';
import type { KvService, Process, Scheme } from '../process.ts';
import type { MaybePromise, Resource } from '../resource.ts';
import { mayCommit, PendingValue } from './pending-value.ts';
import { ValueReader } from './value-reader.ts';

/** Matches BUCKET, which storeNamePattern checks, and KEY, which is everything after the slash. */
const urlPattern = /^kv:\/\/([^/]*)\/(.+)$/is;

export const kvScheme: Scheme = {
  names: ['kv'],
  open: (url, guest) => {
    const [, bucket, key] = urlPattern.exec(url) ?? [];
    if (bucket === undefined || key === undefined || !storeNamePattern.test(bucket)) return Errno.invalid;
    if (Buffer.byteLength(key) > kvLimits.keyBytes) return Errno.invalid;
    const { kv } = guest.options;
    if (kv === null) {
      guest.report('error', `${url}: there is no key-value store here`);
      return Errno.denied;
    }
    return new KvResource(guest, kv, bucket, key);
  },
};

class KvResource implements Resource {
  readonly scheme = 'kv';
  readonly #guest: Process;
  readonly #kv: KvService;
  readonly #bucket: string;
  readonly #key: string;
  readonly #pending: PendingValue;
  /** Reader of the value; null before the first read, an Errno if the value could not be read. */
  #reader: ValueReader | number | null = null;
  /** Whether bytes were written since the last commit. */
  #isDirty = false;
  #heldBytes = 0;

  constructor(guest: Process, kv: KvService, bucket: string, key: string) {
    this.#guest = guest;
    this.#kv = kv;
    this.#bucket = bucket;
    this.#key = key;
    this.#pending = new PendingValue(guest, kvLimits.valueBytes);
  }

  read(into: Uint8Array): number | Promise<void> {
    if (this.#reader === null) return this.#load();
    return typeof this.#reader === 'number' ? this.#reader : this.#reader.read(into);
  }

  write(bytes: Uint8Array): number {
    this.#isDirty = true;
    return this.#pending.write(bytes);
  }

  flush(): MaybePromise<number> {
    if (!this.#isDirty) return 0;
    if (this.#pending.isBroken) return Errno.tooBig;
    this.#isDirty = false;
    return this.#kv.put(this.#bucket, this.#key, this.#pending.bytes()).then(
      () => 0,
      (error: unknown) => {
        this.#isDirty = true;
        return this.#failed('writing', error);
      },
    );
  }

  close(): MaybePromise<number> {
    const flushed = mayCommit(this.#guest) ? this.flush() : 0;
    this.#pending.clear();
    this.#guest.held.give(this.#heldBytes);
    this.#heldBytes = 0;
    return flushed;
  }

  async #load(): Promise<void> {
    let value: Uint8Array | null;
    try {
      value = await this.#kv.get(this.#bucket, this.#key);
    } catch (error) {
      this.#reader = this.#failed('reading', error);
      return;
    }
    if (value === null) this.#reader = Errno.notFound;
    else if (this.#guest.end === null && this.#guest.held.take(value.length)) {
      this.#heldBytes = value.length;
      this.#reader = new ValueReader(value);
    } else this.#reader = Errno.noSpace;
  }

  #failed(what: string, error: unknown): number {
    const why = messageOf(error);
    this.#guest.report('error', `${what} kv://${this.#bucket}/${this.#key} failed: ${why}`);
    return error instanceof PlatformError && error.code === 'limit_exceeded' ? Errno.overQuota : Errno.unknown;
  }
}
