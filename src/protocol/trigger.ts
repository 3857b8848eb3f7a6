/**
 * Signed request field by which control calls a function for a queue's messages or for a tick of a schedule. Control
 * calls the functions' port, which is open to everybody; so the field carries a code that only a holder of the
 * platform's key can make. With a valid field the function's standard output is returned unchanged, its exit status
 * decides between 200 and a problem document, and the trigger's variables are in its environment.
 */
import { createHmac } from 'node:crypto';
import type { InvocationTrigger } from './nouns.ts';
import { sameSecret } from './same-secret.ts';

export const triggerField = 'trisiel-trigger';

/**
 * Field with the error code of an answer that the platform gives itself. No function can set it, so it tells the
 * platform's refusals from answers of functions that look like them.
 */
export const errorField = 'trisiel-error';

/**
 * Variables of a trigger, each with the request field that tells a component the same. The first one's field is the
 * signed field, which no guest sees.
 */
export const triggerFacts = {
  TRISIEL_TRIGGER: triggerField,
  QUEUE_NAME: 'trisiel-queue-name',
  MESSAGE_ID: 'trisiel-message-id',
  MESSAGE_ATTEMPT: 'trisiel-message-attempt',
  MESSAGE_COUNT: 'trisiel-message-count',
  SCHEDULE_NAME: 'trisiel-schedule-name',
  SCHEDULE_TIME: 'trisiel-schedule-time',
  CALL_ATTEMPT: 'trisiel-call-attempt',
} as const;

/** Names of those fields. The runner removes them from requests of other callers. */
export const triggerFieldNames: ReadonlySet<string> = new Set(Object.values(triggerFacts));

/** Answer field with the number of bytes of standard output that were not kept. */
export const lostOutputField = 'trisiel-lost-output';

export type TriggerKind = InvocationTrigger['kind'];

export interface Trigger {
  readonly kind: TriggerKind;
  /** Name for the record of the Invocation: of the queue or schedule, or the shortened id of the call. */
  readonly name: string;
  /** Label that is called: the field is invalid for any other one. */
  readonly label: string;
  /** Variables added to the Invocation's environment, besides those of the request. */
  readonly env: Readonly<Record<string, string>>;
  /** Milliseconds of wall clock that the call may take; the Deployment's own limit holds as well. */
  readonly timeoutMs: number;
}

/** Returns the value of the signed field. `key`: key of the platform, any text. */
export function writeTrigger(key: string, trigger: Trigger): string {
  const text = Buffer.from(JSON.stringify(trigger)).toString('base64url');
  return `${text}.${code(key, text)}`;
}

/** Returns the trigger of a signed field; null when the field was not made by a holder of the key. */
export function readTrigger(key: string, field: string): Trigger | null {
  const [text = '', given = ''] = field.split('.');
  if (!sameSecret(given, code(key, text))) return null;
  return JSON.parse(Buffer.from(text, 'base64url').toString()) as Trigger; // written by writeTrigger
}

function code(key: string, text: string): string {
  return createHmac('sha256', key).update(`trigger ${text}`).digest('base64url');
}
