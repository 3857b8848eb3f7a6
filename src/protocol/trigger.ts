/**
 * How control calls a function for what is no HTTP request of a caller: a queue's messages, a tick of a schedule. It is
 * a request to the functions' port, which is open to everybody; so it carries a field that only a holder of the
 * platform's key can make. With it the function's standard output is returned as it is, its exit status decides
 * between 200 and a problem document, and the trigger's variables are in its environment.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';

export const triggerField = 'trisiel-trigger';

/**
 * Variables of a trigger, and the request fields that tell a component the same. The first one's name is that of the
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

/** Names of those fields: from outside they mean nothing, and no guest sees them. */
export const triggerFieldNames: ReadonlySet<string> = new Set(Object.values(triggerFacts));

/** Field of the answer: bytes of standard output that were not kept. */
export const lostOutputField = 'trisiel-lost-output';

export const triggerKinds = ['queue', 'schedule', 'async'] as const;
export type TriggerKind = (typeof triggerKinds)[number];

export interface Trigger {
  readonly kind: TriggerKind;
  /** The handler that is called: the field is of no use for another one. */
  readonly label: string;
  /** Variables of the Invocation besides the request's. */
  readonly env: Readonly<Record<string, string>>;
  /** Wall clock of the call, milliseconds; the Deployment's own limit counts too. */
  readonly timeoutMs: number;
}

/** Returns the field's value. `key`: the platform's, any text. */
export function writeTrigger(key: string, trigger: Trigger): string {
  const text = Buffer.from(JSON.stringify(trigger)).toString('base64url');
  return `${text}.${code(key, text)}`;
}

/** Returns what a field says; null where it is not of a holder of the key. */
export function readTrigger(key: string, field: string): Trigger | null {
  const [text = '', given = ''] = field.split('.');
  const wanted = Buffer.from(code(key, text));
  // In bytes: a field from outside may hold letters of two.
  const sent = Buffer.from(given);
  if (sent.length !== wanted.length || !timingSafeEqual(sent, wanted)) return null;
  return JSON.parse(Buffer.from(text, 'base64url').toString()) as Trigger; // written by writeTrigger
}

function code(key: string, text: string): string {
  return createHmac('sha256', key).update(`trigger ${text}`).digest('base64url');
}
