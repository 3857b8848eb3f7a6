/** Buckets of wasi:keyvalue. They hold the durable values of the handler, which `kv:` also opens. */
import { messageOf } from '../../../../../protocol/errors.ts';
import { kvLimits } from '../../../../../protocol/limits.ts';
import { variant } from '../../../../component/wit.ts';
import { type Err, err, type Ok, ok } from '../../../canonical/row.ts';
import { checkPolicy } from '../../../open.ts';
import type { KvService, Process } from '../../../process.ts';
import { HostObject } from '../host-object.ts';

export const storeErrorType = variant({ 'no-such-store': null, 'access-denied': null, other: 'string' });

export interface StoreError {
  readonly tag: 'no-such-store' | 'access-denied' | 'other';
  readonly value?: string;
}

export class Bucket extends HostObject {
  readonly what = 'bucket';
  readonly name: string;
  readonly kv: KvService;

  constructor(name: string, kv: KvService) {
    super();
    this.name = name;
    this.kv = kv;
  }
}

/**
 * Runs `work` on a value of `bucket`. Returns an error for an invalid key and for a failure of the store, which is
 * logged. Ends the Process if the policy forbids `kv://BUCKET/KEY`.
 */
export async function onKey<T>(
  guest: Process,
  bucket: Bucket,
  key: string,
  work: () => Promise<T>,
): Promise<Ok<T> | Err<StoreError>> {
  checkPolicy(guest, `kv://${bucket.name}/${key}`);
  if (key === '' || Buffer.byteLength(key) > kvLimits.keyBytes)
    return err({ tag: 'other', value: `a key has 1 to ${kvLimits.keyBytes} bytes` });
  return answered(guest, work);
}

/** Returns the result of `work`, or an error for a failure of the store, which is logged. */
export async function answered<T>(guest: Process, work: () => Promise<T>): Promise<Ok<T> | Err<StoreError>> {
  try {
    const value = await work();
    if (value instanceof Uint8Array) guest.account('kv', value.length, 0);
    return ok(value);
  } catch (error) {
    const why = messageOf(error);
    if (guest.end === null) guest.report('error', `kv: ${why}`);
    return err({ tag: 'other', value: why });
  }
}
