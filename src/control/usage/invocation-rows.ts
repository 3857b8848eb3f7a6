/** Turns records of Invocations into rows of the database and back. */
import type { UsageCount } from '../../protocol/messages.ts';
import type { InvocationRecord, PendingInvocationRecord } from '../../protocol/nouns.ts';
import type { Schema } from '../db/schema.ts';
import { usageLimits } from './limits.ts';
import { positive, whole } from './usage-counts.ts';

/** Handler whose records are read. */
export interface HandlerRef {
  readonly id: string;
  readonly name: string;
}

/** What a runner or node reports. */
export interface ReportedUsage {
  readonly records: readonly PendingInvocationRecord[];
  readonly counts: readonly UsageCount[];
}

/** Returns the row of a record; null for one that JSON cannot hold, which no function makes. */
export function toRecordRow({ handlerId, ...record }: PendingInvocationRecord): Schema['invocations'] | null {
  let json: string;
  try {
    json = JSON.stringify(record);
    if (json.length > usageLimits.recordChars)
      json = JSON.stringify({ ...record, path: String(record.path).slice(0, 2_000), syscalls: {}, io: {}, stack: [] });
  } catch {
    return null;
  }
  return {
    id: record.id,
    handler_id: handlerId,
    deployment: whole(record.deployment),
    started_ms: Math.floor(positive(record.startedMs)),
    status: whole(record.status),
    outcome: record.outcome,
    duration_ms: positive(record.durationMs),
    gas: whole(record.gas),
    record: json,
  };
}

/** Makes a record from the stored JSON, which does not contain the handler's name, since that may change. */
export function toRecord(json: string, handler: HandlerRef): InvocationRecord {
  return { ...JSON.parse(json), handler: handler.name };
}

/**
 * Returns the records and counts that name a handler. A runner runs hostile guests, and may send anything: a text with
 * NUL, or one that is too long for an index, would fail the write of all records that are stored with it.
 */
export function placed({ records, counts }: ReportedUsage): ReportedUsage {
  return {
    records: records.filter(
      ({ id, handlerId, outcome }) => isWord(id) && typeof handlerId === 'string' && isWord(outcome),
    ),
    counts: counts.filter(({ handlerId }) => typeof handlerId === 'string'),
  };
}

/** Returns whether a value is a short text of printable ASCII without spaces, as ids and outcomes are. */
function isWord(value: unknown): boolean {
  return typeof value === 'string' && /^[\x21-\x7e]{1,100}$/.test(value);
}
