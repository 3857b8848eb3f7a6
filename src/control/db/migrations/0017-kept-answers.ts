/** Adds answers to requests with an Idempotency-Key (src/control/api/kept-answers.ts). */
import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

export const keptAnswers: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema
      .createTable('kept_answers')
      .addColumn('user_id', 'text', (column) => column.notNull().references('users.id').onDelete('cascade'))
      .addColumn('key', 'text', (column) => column.notNull())
      .addColumn('fingerprint', 'text', (column) => column.notNull())
      .addColumn('claim', 'text', (column) => column.notNull())
      .addColumn('claimed_ms', 'bigint', (column) => column.notNull())
      .addColumn('answer', 'text')
      .addColumn('bytes', 'bigint', (column) => column.notNull())
      .addPrimaryKeyConstraint('kept_answers_pk', ['user_id', 'key'])
      .execute();
    await db.schema.createIndex('kept_answers_claimed').on('kept_answers').column('claimed_ms').execute();
  },
};
