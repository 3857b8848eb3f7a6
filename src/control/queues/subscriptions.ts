/**
 * Stores which handlers consume which queues, written with each Release from the manifest of the Deployment that goes
 * live.
 */
import type { Kysely } from 'kysely';
import type { HandlerId } from '../../protocol/names.ts';
import type { QueueSettings } from '../../protocol/nouns.ts';
import { previewLabel } from '../../protocol/previews.ts';
import type { Database } from '../db/database.ts';
import type { Schema } from '../db/schema.ts';
import { deliveryLimits } from './deliveries.ts';

export interface Subscription {
  readonly handlerId: HandlerId;
  readonly handler: string;
  /** Label to call: the handler, or one of its previews. */
  readonly label: string;
  readonly ownerId: string;
  /** Id of the queue; null: it has never been created. */
  readonly queueId: string | null;
  /** Whether the queue has a message that may be delivered now, or a delivery that has timed out. */
  readonly isDue: boolean;
  readonly settings: QueueSettings;
}

/**
 * Replaces the subscriptions of a handler (branch '') or of one of its previews. Runs in the transaction that makes the
 * Release.
 */
export async function replaceSubscriptions(
  trx: Kysely<Schema>,
  { handlerId, branch }: { readonly handlerId: HandlerId; readonly branch: string },
  queues: readonly QueueSettings[],
): Promise<void> {
  await trx.deleteFrom('subscriptions').where('handler_id', '=', handlerId).where('branch', '=', branch).execute();
  if (queues.length === 0) return;
  await trx
    .insertInto('subscriptions')
    .values(
      queues.map((settings) => ({
        handler_id: handlerId,
        branch,
        queue: settings.name,
        settings: JSON.stringify(settings),
      })),
    )
    .execute();
}

/** Returns the subscriptions of all handlers that have not been deleted. `nowMs` in Unix milliseconds. */
export async function readSubscriptions(db: Database, nowMs: number): Promise<readonly Subscription[]> {
  const rows = await db.reader
    .selectFrom('subscriptions')
    .innerJoin('handlers', 'handlers.id', 'subscriptions.handler_id')
    .leftJoin('previews', (join) =>
      join
        .onRef('previews.handler_id', '=', 'subscriptions.handler_id')
        .onRef('previews.branch', '=', 'subscriptions.branch'),
    )
    .leftJoin('queues', (join) =>
      join.onRef('queues.owner_id', '=', 'handlers.owner_id').onRef('queues.name', '=', 'subscriptions.queue'),
    )
    .select(['handlers.id', 'handlers.name', 'handlers.owner_id', 'subscriptions.settings', 'queues.id as queue_id'])
    .select('previews.slug')
    .select(({ exists, or, selectFrom }) => {
      const due = (state: 'ready' | 'inflight') =>
        exists(
          selectFrom('messages')
            .select('messages.id')
            .whereRef('messages.queue_id', '=', 'queues.id')
            .where('messages.state', '=', state)
            // Messages that wait for another one of their group have a negative time.
            .where('messages.due_ms', '>=', 0)
            .where('messages.due_ms', '<=', nowMs),
        );
      // Only a clock that was put back leaves a reservation that ends so late.
      const ahead = exists(
        selectFrom('messages')
          .select('messages.id')
          .whereRef('messages.queue_id', '=', 'queues.id')
          .where('messages.state', '=', 'inflight')
          .where('messages.due_ms', '>', nowMs + deliveryLimits.visibleMs + deliveryLimits.clockBackMs),
      );
      return or([due('ready'), due('inflight'), ahead]).as('is_due');
    })
    .where('handlers.deleted_ms', 'is', null)
    .orderBy('handlers.id')
    .execute();
  return rows.map((row) => ({
    handlerId: row.id,
    handler: row.name,
    label: row.slug === null ? row.name : previewLabel(row.slug, row.name),
    ownerId: row.owner_id,
    queueId: row.queue_id,
    isDue: Boolean(row.is_due),
    settings: JSON.parse(row.settings) as QueueSettings, // written by replaceSubscriptions
  }));
}
