/** wasi:keyvalue/store, batch and atomics, in the two drafts that toolchains use. The drafts differ in types only. */
import { kvLimits, MIB } from '../../../../../protocol/limits.ts';
import { storeNamePattern } from '../../../../../protocol/names.ts';
import {
  borrow,
  func,
  hostResource,
  list,
  option,
  own,
  record,
  result,
  tuple,
  variant,
  type WitType,
} from '../../../../component/wit.ts';
import { dropRow, type Err, err, type Ok, ok, witInterface, witRow } from '../../../canonical/row.ts';
import { checkPolicy } from '../../../open.ts';
import type { Process } from '../../../process.ts';
import type { Abi } from '../../../syscall.ts';
import { HostObject } from '../host-object.ts';
import { answered, Bucket, onKey, type StoreError, storeErrorType } from './bucket.ts';

/** Most attempts of an increment while other calls change the value. */
const incrementTriesMax = 100;
/** Most keys in one call of batch. */
const batchKeysMax = 256;
/** Most bytes of the values that one call of batch returns. */
const batchBytesMax = 8 * MIB;

/** A key and a value of it, which a swap compares with the present value. */
class Cas extends HostObject {
  readonly what = 'cas';
  readonly bucket: Bucket;
  readonly key: string;
  readonly value: Uint8Array | null;
  readonly #guest: Process;
  #heldBytes: number;

  /** `value` has been counted against the bytes held for the Process. */
  constructor(guest: Process, bucket: Bucket, key: string, value: Uint8Array | null) {
    super();
    this.#guest = guest;
    this.#heldBytes = value?.length ?? 0;
    this.bucket = bucket;
    this.key = key;
    this.value = value;
  }

  override close(): undefined {
    this.#guest.held.give(this.#heldBytes);
    this.#heldBytes = 0;
  }
}

interface Draft {
  /** Version, as in the names of the interfaces. */
  readonly version: string;
  /** Type of the cursor of list-keys. A u64 is the number of keys before it. */
  readonly cursor: 'u64' | 'string';
  /** Type of the number that increment adds and returns. */
  readonly number: 'u64' | 's64';
  readonly hasCas: boolean;
}

const drafts: readonly Draft[] = [
  { version: '0.2.0-draft', cursor: 'u64', number: 'u64', hasCas: false },
  { version: '0.2.0-draft2', cursor: 'string', number: 's64', hasCas: true },
];

const waits = { waits: true };

/**
 * Opens the bucket `identifier`: 1 to 64 letters, digits, dots, dashes and underscores; an empty one is `default`.
 * Buckets exist without being made.
 *
 * Errors: no-such-store an invalid name; access-denied there is no store.
 */
const open = (bucket: WitType) =>
  witRow('open', func({ identifier: 'string' }, orError(bucket)), (guest: Process, identifier: string) => {
    const name = identifier === '' ? 'default' : identifier;
    if (!storeNamePattern.test(name)) return err({ tag: 'no-such-store' });
    const { kv } = guest.options;
    return kv === null ? err({ tag: 'access-denied' }) : ok(new Bucket(name, kv));
  });

/**
 * Returns the value of `key`; none if it has no value. If there is a policy, it must allow `kv://BUCKET/KEY`.
 *
 * Errors: other.
 */
const bucketGet = (self: WitType) =>
  witRow(
    '[method]bucket.get',
    func({ self, key: 'string' }, orError(option(list('u8')))),
    (guest: Process, bucket: Bucket, key: string) => onKey(guest, bucket, key, () => bucket.kv.get(bucket.name, key)),
    waits,
  );

/**
 * Replaces the value of `key`. The value is durable when the call returns.
 *
 * Errors: other a value of more than 1 MiB, a quota, a key of more than 1,024 bytes.
 */
const bucketSet = (self: WitType) =>
  witRow(
    '[method]bucket.set',
    func({ self, key: 'string', value: list('u8') }, orError(null)),
    (guest: Process, bucket: Bucket, key: string, value: Uint8Array) => set(guest, bucket, key, value.slice()),
    waits,
  );

/**
 * Removes the value of `key`. A key without a value is no error.
 *
 * Errors: other.
 */
const bucketDelete = (self: WitType) =>
  witRow(
    '[method]bucket.delete',
    func({ self, key: 'string' }, orError(null)),
    (guest: Process, bucket: Bucket, key: string) =>
      onKey(guest, bucket, key, () => bucket.kv.delete(bucket.name, key)),
    waits,
  );

/**
 * Returns whether `key` has a value.
 *
 * Errors: other.
 */
const bucketExists = (self: WitType) =>
  witRow(
    '[method]bucket.exists',
    func({ self, key: 'string' }, orError('bool')),
    (guest: Process, bucket: Bucket, key: string) =>
      onKey(guest, bucket, key, async () => (await bucket.kv.get(bucket.name, key)) !== null),
    waits,
  );

/**
 * Returns up to 256 keys of the bucket, in order, and the cursor for the next keys; none at the end. If there is a
 * policy, it must allow `kv://BUCKET/`.
 *
 * Errors: other.
 */
const bucketListKeys = (self: WitType, cursor: 'u64' | 'string') =>
  witRow(
    '[method]bucket.list-keys',
    func({ self, cursor: option(cursor) }, orError(record({ keys: list('string'), cursor: option(cursor) }))),
    async (guest: Process, bucket: Bucket, from: bigint | string | null) => {
      const listed = await listKeys(guest, bucket, from);
      if (listed.tag === 'err') return listed;
      const { keys, counted } = listed.value;
      const last = cursor === 'u64' ? counted : (keys.at(-1) ?? null);
      return ok({ keys, cursor: counted === null ? null : last });
    },
    waits,
  );

/** Drops a bucket. */
const dropBucket = dropRow;

/**
 * Returns each key with its value, in the order of the keys; none for a key without a value.
 *
 * Errors: other, also for more than 256 keys, and for values of more than 8 MiB together.
 */
const getMany = (bucket: WitType) =>
  witRow(
    'get-many',
    func({ bucket, keys: list('string') }, orError(list(option(tuple('string', list('u8')))))),
    (guest: Process, of: Bucket, keys: readonly string[]) => {
      let bytes = 0;
      return onMany(guest, keys, async (key): Promise<Ok<readonly [string, Uint8Array] | null> | Err<StoreError>> => {
        const got = await onKey(guest, of, key, () => of.kv.get(of.name, key));
        if (got.tag === 'err') return got;
        bytes += got.value?.length ?? 0;
        if (bytes > batchBytesMax) return err({ tag: 'other', value: `values of more than ${batchBytesMax} bytes` });
        return ok(got.value === null ? null : ([key, got.value] as const));
      });
    },
    waits,
  );

/**
 * Sets all values, one after the other. If one fails, the values before it stay set.
 *
 * Errors: other, also for more than 256 keys.
 */
const setMany = (bucket: WitType) =>
  witRow(
    'set-many',
    func({ bucket, 'key-values': list(tuple('string', list('u8'))) }, orError(null)),
    (guest: Process, of: Bucket, values: readonly (readonly [string, Uint8Array])[]) => {
      const kept = values.map(([key, value]) => [key, value.slice()] as const);
      return onMany(guest, kept, ([key, value]) => set(guest, of, key, value));
    },
    waits,
  );

/**
 * Removes all values, one after the other. If one fails, the values before it stay removed.
 *
 * Errors: other, also for more than 256 keys.
 */
const deleteMany = (bucket: WitType) =>
  witRow(
    'delete-many',
    func({ bucket, keys: list('string') }, orError(null)),
    (guest: Process, of: Bucket, keys: readonly string[]) =>
      onMany(guest, keys, (key) => onKey(guest, of, key, () => of.kv.delete(of.name, key))),
    waits,
  );

/**
 * Adds `delta` to the value of `key`, a decimal number (0 if it has none), and returns the sum. The change is atomic.
 *
 * Errors: other a value that is no number, a sum that the type cannot hold.
 */
const increment = (bucket: WitType, number: 'u64' | 's64') =>
  witRow(
    'increment',
    func({ bucket, key: 'string', delta: number }, orError(number)),
    (guest: Process, of: Bucket, key: string, delta: bigint) => add(guest, of, key, delta, number),
    waits,
  );

/**
 * Returns a handle that keeps the value of `key` for a swap.
 *
 * Errors: other.
 */
const casNew = (bucket: WitType, cas: WitType) =>
  witRow(
    '[static]cas.new',
    func({ bucket, key: 'string' }, orError(cas)),
    (guest: Process, of: Bucket, key: string) => remember(guest, of, key),
    waits,
  );

/** Returns the value that the handle keeps; none if the key had none. */
const casCurrent = (self: WitType) =>
  witRow('[method]cas.current', func({ self }, orError(option(list('u8')))), (_guest: Process, { value }: Cas) =>
    ok(value),
  );

/**
 * Replaces the value if it still equals the one that the handle keeps.
 *
 * Errors: cas-failed the value has changed, with a handle that keeps the new value; store-error.
 */
const swap = (cas: WitType) =>
  witRow(
    'swap',
    func({ cas, value: list('u8') }, result(null, variant({ 'store-error': storeErrorType, 'cas-failed': cas }))),
    async (guest: Process, cas: Cas, value: Uint8Array) => {
      const { bucket, key, value: expected } = cas;
      const kept = value.slice();
      cas.leave();
      cas.close();
      const done = await onKey(guest, bucket, key, () => bucket.kv.replace(bucket.name, key, kept, expected));
      if (done.tag === 'err') return err({ tag: 'store-error', value: done.value });
      if (done.value) return ok();
      const again = await remember(guest, bucket, key);
      return again.tag === 'err'
        ? err({ tag: 'store-error', value: again.value })
        : err({ tag: 'cas-failed', value: again.value });
    },
    waits,
  );

/** Drops a cas. */
const dropCas = dropRow;

function orError(type: WitType | null): WitType {
  return result(type, storeErrorType);
}

async function set(
  guest: Process,
  bucket: Bucket,
  key: string,
  value: Uint8Array,
): Promise<Ok<void> | Err<StoreError>> {
  const done = await onKey(guest, bucket, key, () => bucket.kv.put(bucket.name, key, value));
  if (done.tag === 'ok') guest.account('kv', 0, value.length);
  return done;
}

async function remember(guest: Process, bucket: Bucket, key: string): Promise<Ok<Cas> | Err<StoreError>> {
  const got = await onKey(guest, bucket, key, () => bucket.kv.get(bucket.name, key));
  if (got.tag === 'err') return got;
  if (got.value !== null && !guest.held.take(got.value.length))
    return err({ tag: 'other', value: 'the invocation holds too many values' });
  return ok(new Cas(guest, bucket, key, got.value));
}

/** Runs `one` for each key, in order, up to the first failure. */
async function onMany<K, T>(
  guest: Process,
  keys: readonly K[],
  one: (key: K) => Promise<Ok<T> | Err<StoreError>>,
): Promise<Ok<readonly T[]> | Err<StoreError>> {
  if (keys.length > batchKeysMax) return err({ tag: 'other', value: `more than ${batchKeysMax} keys at once` });
  const values: T[] = [];
  for (const key of keys) {
    const done = await one(key);
    // Nobody reads the result of a Process that has ended.
    if (done.tag === 'err' || guest.end !== null) return done as Err<StoreError>;
    values.push(done.value);
  }
  return ok(values);
}

interface KeyPage {
  readonly keys: readonly string[];
  /** Number of keys up to and including the last one of this page; null at the end of the bucket. */
  readonly counted: bigint | null;
}

async function listKeys(guest: Process, bucket: Bucket, from: bigint | string | null) {
  checkPolicy(guest, `kv://${bucket.name}/`);
  const page = (after: string) => bucket.kv.keys(bucket.name, after);
  return answered<KeyPage>(guest, async () => {
    let after = typeof from === 'string' ? from : '';
    let counted = 0n;
    // A numeric cursor is the number of keys before it.
    while (typeof from === 'bigint' && counted < from) {
      const before = await page(after);
      const count = Math.min(before.length, Number(from - counted));
      if (count === 0 || guest.end !== null) return { keys: [], counted: null };
      after = before[count - 1] as string;
      counted += BigInt(count);
    }
    const keys = await page(after);
    return { keys, counted: keys.length < kvLimits.keysPerPage ? null : counted + BigInt(keys.length) };
  });
}

async function add(guest: Process, bucket: Bucket, key: string, delta: bigint, number: 'u64' | 's64') {
  for (let tries = 0; tries < incrementTriesMax && guest.end === null; tries += 1) {
    const got = await onKey(guest, bucket, key, () => bucket.kv.get(bucket.name, key));
    if (got.tag === 'err') return got;
    const text = got.value === null ? '0' : Buffer.from(got.value).toString('latin1');
    if (!/^-?[0-9]{1,20}$/.test(text)) return err({ tag: 'other', value: `the value of ${key} is no number` });
    const sum = BigInt(text) + delta;
    const fits = number === 'u64' ? BigInt.asUintN(64, sum) === sum : BigInt.asIntN(64, sum) === sum;
    if (!fits) return err({ tag: 'other', value: `the value of ${key} would be out of range` });
    const value = Buffer.from(sum.toString());
    const done = await answered(guest, () => bucket.kv.replace(bucket.name, key, value, got.value));
    if (done.tag === 'err') return done;
    if (done.value) return ok(sum);
  }
  return err({ tag: 'other', value: `the value of ${key} changes too often` });
}

export const keyvalue: readonly Abi[] = drafts.flatMap(({ version, cursor, number, hasCas }) => {
  const name = (part: string) => `wasi:keyvalue/${part}@${version}`;
  const resource = hostResource(name('store'), 'bucket');
  const bucket = borrow(resource);
  const cas = hostResource(name('atomics'), 'cas');
  return [
    witInterface('wasi2', name('store'), [
      open(own(resource)),
      bucketGet(bucket),
      bucketSet(bucket),
      bucketDelete(bucket),
      bucketExists(bucket),
      bucketListKeys(bucket, cursor),
      dropBucket(resource),
    ]),
    witInterface('wasi2', name('batch'), [getMany(bucket), setMany(bucket), deleteMany(bucket)]),
    witInterface('wasi2', name('atomics'), [
      increment(bucket, number),
      ...(hasCas ? [casNew(bucket, own(cas)), casCurrent(borrow(cas)), swap(own(cas)), dropCas(cas)] : []),
    ]),
  ];
});
