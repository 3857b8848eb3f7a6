/**
 * Decides which version of a gradual release a caller gets, from the request and the Release alone. A caller has a bucket
 * of rolloutLimits.buckets; buckets below the share get the new version. A share that grows therefore takes callers
 * over and sends none back.
 */
import { createHash, randomInt } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { type Rollout, rolloutCookie, rolloutLimits } from '../protocol/rollouts.ts';
import type { Address } from './routes.ts';

export interface RolloutChoice {
  /** 0 to rolloutLimits.buckets - 1. */
  readonly bucket: number;
  /** Value of a Set-Cookie field that keeps the caller's bucket; null: the caller has one. */
  readonly cookie: string | null;
}

/**
 * Returns the caller's bucket: by the header that the manifest names, else by the cookie of an earlier answer, else
 * drawn. `isHttps`: whether the cookie is for TLS alone.
 */
export function chooseVersion(
  rollout: Rollout,
  request: Pick<IncomingMessage, 'headers'>,
  { address, isHttps }: { readonly address: Pick<Address, 'scriptName'>; readonly isHttps: boolean },
): RolloutChoice {
  const { id, header } = rollout;
  const told = header === null ? undefined : request.headers[header];
  if (told !== undefined) return { bucket: bucketOf(id, String(told)), cookie: null };
  const known = bucketInCookie(request.headers.cookie ?? '', id);
  if (known !== null) return { bucket: known, cookie: null };
  const bucket = randomInt(rolloutLimits.buckets);
  const attributes = `Path=${address.scriptName === '' ? '/' : address.scriptName}; Max-Age=${rolloutLimits.cookieSeconds}`;
  const cookie = `${rolloutCookie}=${id}.${bucket}; ${attributes}; HttpOnly; SameSite=Lax${isHttps ? '; Secure' : ''}`;
  return { bucket, cookie };
}

/** Returns whether a bucket gets the new version. */
export function getsNewVersion(bucket: number, { percent }: Rollout): boolean {
  return bucket * 100 < percent * rolloutLimits.buckets;
}

/** Hashes a caller's name with the id of the release, so that not the same callers are the first ones each time. */
function bucketOf(id: string, caller: string): number {
  const hash = createHash('sha256').update(`${id}\0${caller}`).digest();
  // 48 bits: the remainder is even to a part in 10^10.
  return hash.readUIntBE(0, 6) % rolloutLimits.buckets;
}

/** Returns the bucket that the cookie of this release holds; null where there is none, or another's. */
function bucketInCookie(field: string, id: string): number | null {
  const start = `${rolloutCookie}=${id}.`;
  for (const part of field.split(';')) {
    const pair = part.trim();
    if (!pair.startsWith(start)) continue;
    const digits = pair.slice(start.length);
    if (/^\d{1,5}$/.test(digits) && Number(digits) < rolloutLimits.buckets) return Number(digits);
  }
  return null;
}
