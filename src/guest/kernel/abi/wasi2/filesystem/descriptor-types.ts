/** Types of wasi:filesystem/types that its files share, and the values that they stand for. */
import { createHash } from 'node:crypto';
import {
  borrow,
  enumeration,
  flags,
  hostResource,
  option,
  record,
  result,
  variant,
  type WitType,
} from '../../../../component/wit.ts';
import { err, ok } from '../../../canonical/row.ts';
import type { NodeKind, Stat, Times } from '../../../fs/node.ts';
import type { Process } from '../../../process.ts';
import { type Datetime, datetimeType, fromDatetime, toDatetime, wallNs } from '../clocks/wall-clock.ts';
import { errorCodeType, type FileFailure, failure } from './error-code.ts';

export const filesystemName = 'wasi:filesystem/types@0.2';
export const descriptorResource = hostResource(filesystemName, 'descriptor');

export const descriptorTypeType = enumeration(
  'unknown',
  'block-device',
  'character-device',
  'directory',
  'fifo',
  'symbolic-link',
  'regular-file',
  'socket',
);
export const descriptorFlagsType = flags(
  'read',
  'write',
  'file-integrity-sync',
  'data-integrity-sync',
  'requested-write-sync',
  'mutate-directory',
);
export const descriptorStatType = record({
  type: descriptorTypeType,
  'link-count': 'u64',
  size: 'u64',
  'data-access-timestamp': option(datetimeType),
  'data-modification-timestamp': option(datetimeType),
  'status-change-timestamp': option(datetimeType),
});
export const metadataHashType = record({ lower: 'u64', upper: 'u64' });

const newTimestampType = variant({ 'no-change': null, now: null, timestamp: datetimeType });

export const timestamps = {
  'data-access-timestamp': newTimestampType,
  'data-modification-timestamp': newTimestampType,
} as const;

export type NewTimestamp =
  | { readonly tag: 'no-change' | 'now' }
  | { readonly tag: 'timestamp'; readonly value: Datetime };

export const typeOfKind: Readonly<Record<NodeKind, string>> = {
  file: 'regular-file',
  directory: 'directory',
  symlink: 'symbolic-link',
  other: 'unknown',
};

/** Largest file offset that arithmetic on doubles keeps exact. */
export const offsetMax = BigInt(Number.MAX_SAFE_INTEGER);

export const badDescriptor = err('bad-descriptor');
export const invalid = err('invalid');

export const self = { self: borrow(descriptorResource) } as const;

/** Returns the type of a result that is `type` or an error code. */
export function orError(type: WitType | null): WitType {
  return result(type, errorCodeType);
}

/** Returns type, size and times for the guest; failures as they are. */
export function toStat(stat: Stat | FileFailure | number) {
  if (typeof stat === 'number') return failure(stat);
  if ('tag' in stat) return stat;
  return ok({
    type: typeOfKind[stat.kind],
    linkCount: BigInt(stat.nlink),
    size: BigInt(stat.size),
    dataAccessTimestamp: toDatetime(stat.atimNs),
    dataModificationTimestamp: toDatetime(stat.mtimNs),
    statusChangeTimestamp: toDatetime(stat.ctimNs),
  });
}

/** Returns 128 bits that identify what `stat` tells about; failures as they are. */
export function toHash(stat: Stat | FileFailure | number) {
  if (typeof stat === 'number') return failure(stat);
  if ('tag' in stat) return stat;
  const hash = createHash('sha256').update(`${stat.dev}:${stat.ino}`).digest();
  return ok({ lower: hash.readBigUInt64LE(0), upper: hash.readBigUInt64LE(8) });
}

/** Returns the times to set; null if one of them is invalid. */
export function timesFrom(guest: Process, access: NewTimestamp, modification: NewTimestamp): Times | null {
  const pick = (one: NewTimestamp): bigint | null | undefined => {
    if (one.tag === 'no-change') return null;
    if (one.tag === 'now') return wallNs(guest);
    const ns = fromDatetime((one as { readonly value: Datetime }).value); // the only case with a value
    // Times of files have 64 bits of nanoseconds.
    return ns === null || ns >= 1n << 64n ? undefined : ns;
  };
  const [atimNs, mtimNs] = [pick(access), pick(modification)];
  return atimNs === undefined || mtimNs === undefined ? null : { atimNs, mtimNs };
}
