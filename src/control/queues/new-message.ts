/** A message that is about to be published. */
import { PlatformError } from '../../protocol/errors.ts';
import { queueLimits } from '../../protocol/limits.ts';

/** Facts about a message from its publisher. */
export interface NewMessage {
  readonly body: Uint8Array;
  /** Media type of the body; null: none is declared. */
  readonly contentType: string | null;
  /** Deduplication key: another message with the same key within queueLimits.keyMs is not published; null: no key. */
  readonly key: string | null;
  /** Group: its messages are delivered one after the other, in order; null: no group. */
  readonly group: string | null;
  /** Unix milliseconds before which the message is not delivered; 0: at once. */
  readonly dueMs: number;
  /** Outcome of a message that comes from an export, where it had ended; absent: it is to be delivered. */
  readonly ended?: EndedMessage;
}

/** How an exported message had ended. It is stored as it was, and not delivered again. */
export interface EndedMessage {
  readonly state: 'dead' | 'done';
  readonly attempts: number;
  /** Unix milliseconds. */
  readonly endedMs: number;
  readonly reason: string | null;
  readonly invocation: string | null;
}

/** Throws `limit_exceeded` or `bad_request` for a message that no queue accepts. */
export function checkMessage({ body, contentType, key, group }: NewMessage): void {
  if (body.length > queueLimits.messageBytes)
    throw new PlatformError('limit_exceeded', `a message has at most ${queueLimits.messageBytes} bytes`);
  for (const [what, text] of [
    ['a deduplication key', key],
    ['a group', group],
    ['a content type', contentType],
  ] as const) {
    if (text === null) continue;
    if (text.length > queueLimits.keyChars || text === '' || !/^[\x20-\x7e]*$/.test(text))
      throw new PlatformError('bad_request', `${what} has 1 to ${queueLimits.keyChars} printable characters of ASCII`);
  }
}
