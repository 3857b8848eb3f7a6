/**
 * Adds previews of branches: Deployments, variables and subscriptions name the preview to which they belong, and log
 * lines are marked. Existing rows belong to the deploy branch, written as an empty branch.
 */
import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

export const previews: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema
      .createTable('previews')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('handler_id', 'text', (column) => column.notNull().references('handlers.id').onDelete('cascade'))
      .addColumn('branch', 'text', (column) => column.notNull())
      .addColumn('slug', 'text', (column) => column.notNull())
      .addColumn('days', 'integer', (column) => column.notNull())
      .addColumn('created_ms', 'bigint', (column) => column.notNull())
      .addColumn('pushed_ms', 'bigint', (column) => column.notNull())
      .addUniqueConstraint('previews_branch', ['handler_id', 'branch'])
      .addUniqueConstraint('previews_slug', ['handler_id', 'slug'])
      .execute();
    await db.schema
      .alterTable('deployments')
      .addColumn('branch', 'text', (column) => column.notNull().defaultTo(''))
      .execute();
    await db.schema
      .alterTable('log_lines')
      .addColumn('preview', 'text', (column) => column.notNull().defaultTo(''))
      .execute();
    await variables(db);
    await subscriptions(db);
  },
};

/** SQLite cannot change a primary key in place: the rows move to a new table. */
async function variables(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('branch_env')
    .addColumn('handler_id', 'text', (column) => column.notNull().references('handlers.id').onDelete('cascade'))
    .addColumn('branch', 'text', (column) => column.notNull().defaultTo(''))
    .addColumn('key', 'text', (column) => column.notNull())
    .addColumn('sealed', 'text', (column) => column.notNull())
    .addColumn('updated_ms', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('branch_env_key', ['handler_id', 'branch', 'key'])
    .execute();
  await sql`insert into branch_env (handler_id, branch, key, sealed, updated_ms)
    select handler_id, '', key, sealed, updated_ms from handler_env`.execute(db);
  await db.schema.dropTable('handler_env').execute();
  await db.schema.alterTable('branch_env').renameTo('handler_env').execute();
}

async function subscriptions(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('branch_subscriptions')
    .addColumn('handler_id', 'text', (column) => column.notNull().references('handlers.id').onDelete('cascade'))
    .addColumn('branch', 'text', (column) => column.notNull().defaultTo(''))
    .addColumn('queue', 'text', (column) => column.notNull())
    .addColumn('settings', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('branch_subscriptions_key', ['handler_id', 'branch', 'queue'])
    .execute();
  await sql`insert into branch_subscriptions (handler_id, branch, queue, settings)
    select handler_id, '', queue, settings from subscriptions`.execute(db);
  await db.schema.dropTable('subscriptions').execute();
  await db.schema.alterTable('branch_subscriptions').renameTo('subscriptions').execute();
}
