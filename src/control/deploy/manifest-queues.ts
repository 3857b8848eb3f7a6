/** Reads the tables `[[queue]]` of a manifest: which queues a function consumes, and how (docs/queues.md). */
import { z } from 'zod';
import { maximumLimits } from '../../protocol/limits.ts';
import { storeNamePattern } from '../../protocol/names.ts';
import { type QueueSettings, queueFramings } from '../../protocol/nouns.ts';

/** Limits on the settings of `[[queue]]`. */
export const queueSettingLimits = {
  /** Queues that one function consumes. */
  queues: 16,
  concurrency: 256,
  /** Messages of one Invocation. */
  batch: 1_000,
  attempts: 100,
  /** Values of keys that a table leaves out. */
  default: { concurrency: 10, batch: 1, attempts: 3 },
} as const;

const wholeNumber = (max: number) =>
  z.int('must be a whole number').min(1, 'must be at least 1').max(max, `must be at most ${max}`);
const queueName = z
  .string('must be a name in quotes')
  .regex(storeNamePattern, 'must have 1 to 64 letters, digits, dots, underscores and hyphens');
const queue = z.strictObject({
  name: queueName,
  concurrency: wholeNumber(queueSettingLimits.concurrency).optional(),
  batch: wholeNumber(queueSettingLimits.batch).optional(),
  framing: z.enum(queueFramings, `must be one of ${queueFramings.join(', ')}`).optional(),
  'max-attempts': wholeNumber(queueSettingLimits.attempts).optional(),
  'timeout-ms': wholeNumber(maximumLimits.timeoutMs).optional(),
  output: queueName.optional(),
});

/** Keys that a table may have. */
export const queueKeys = Object.keys(queue.shape);

export const queueTables = z
  .array(queue, 'must be a list of tables: [[queue]]')
  .max(queueSettingLimits.queues, `has more than ${queueSettingLimits.queues} queues`)
  .superRefine(checkQueues);

/** Returns the settings of one table. `timeoutMs`: limit of the function, used when the table sets none. */
export function queueSettings(given: z.infer<typeof queue>, timeoutMs: number): QueueSettings {
  const { concurrency, batch, attempts } = queueSettingLimits.default;
  return {
    name: given.name,
    concurrency: given.concurrency ?? concurrency,
    batch: given.batch ?? batch,
    framing: given.framing ?? 'ndjson',
    maxAttempts: given['max-attempts'] ?? attempts,
    timeoutMs: given['timeout-ms'] ?? timeoutMs,
    output: given.output ?? null,
  };
}

/**
 * Refuses two consumers of one queue, which would share it by chance, and an output into the consumed queue, which
 * never ends.
 */
function checkQueues(queues: readonly z.infer<typeof queue>[], ctx: z.RefinementCtx): void {
  const names = new Set<string>();
  queues.forEach(({ name, output }, index) => {
    if (names.has(name)) ctx.addIssue({ code: 'custom', path: [index, 'name'], message: 'is consumed twice' });
    names.add(name);
    if (output === name) ctx.addIssue({ code: 'custom', path: [index, 'output'], message: 'is the queue itself' });
  });
}
