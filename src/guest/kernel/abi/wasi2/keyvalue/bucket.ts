/** The buckets of wasi:keyvalue, over the durable values of the handler that `kv:` opens too. */
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
 * Runs `work` on a value of `bucket`. Returns an error for a key that is none, and where the store failed, which is
 * logged. Ends the Process where the policy forbids `kv://BUCKET/KEY`.
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

/** Returns what `work` brings, or an error where the store failed, which is logged. */
export async function answered<T>(guest: Process, work: () => Promise<T>): Promise<Ok<T> | Err<StoreError>> {
  try {
    const value = await work();
    if (value instanceof Uint8Array) guest.account('kv', value.length, 0);
    return ok(value);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    if (guest.end === null) guest.report('error', `kv: ${why}`);
    return err({ tag: 'other', value: why });
  }
}
