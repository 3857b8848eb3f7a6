/**
 * Chooses the version of a gradual release that a caller gets, from the request and the Release alone. Each caller has
 * one of rolloutLimits.buckets buckets; buckets below the share get the new version. So a growing share moves callers
 * to the new version and none back.
 */
import { createHash, randomInt } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { type Rollout, rolloutCookie, rolloutLimits } from '../protocol/rollouts.ts';
import type { Address } from './routes.ts';

export interface RolloutChoice {
  /** Bucket of the caller, 0 to rolloutLimits.buckets - 1. */
  readonly bucket: number;
  /** Value of a Set-Cookie field that keeps the caller's bucket; null if no cookie is needed. */
  readonly cookie: string | null;
}

/**
 * Returns the caller's bucket: from the header that the manifest names, else from the cookie of an earlier answer, else
 * a random one. `isHttps`: whether the cookie is for TLS only.
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

/**
 * Returns the bucket of a caller's name. The hash includes the id of the release, so that the first callers differ from
 * release to release.
 */
function bucketOf(id: string, caller: string): number {
  const hash = createHash('sha256').update(`${id}\0${caller}`).digest();
  // With 48 bits the remainder is even to one part in 10^10.
  return hash.readUIntBE(0, 6) % rolloutLimits.buckets;
}

/** Returns the bucket in the cookie of this release; null without a cookie, or for that of another release. */
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
