/**
 * Makes the first schema. Types mean the same on SQLite and Postgres: `bigint` for times and counts, `bytea` for bytes
 * (SQLite stores a blob unchanged in a column of any type).
 */
import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

export const first: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await accounts(db);
    await handlers(db);
    await records(db);
  },
};

async function accounts(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('users')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('name', 'text', (column) => column.notNull().unique())
    .addColumn('password_hash', 'text', (column) => column.notNull())
    .addColumn('created_ms', 'bigint', (column) => column.notNull())
    .execute();
  await db.schema
    .createTable('tokens')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('user_id', 'text', (column) => column.notNull().references('users.id').onDelete('cascade'))
    .addColumn('hash', 'text', (column) => column.notNull().unique())
    .addColumn('label', 'text', (column) => column.notNull())
    .addColumn('created_ms', 'bigint', (column) => column.notNull())
    .addColumn('last_used_ms', 'bigint')
    .addColumn('revoked_ms', 'bigint')
    .execute();
  await db.schema.createIndex('tokens_user').on('tokens').column('user_id').execute();
  await db.schema
    .createTable('invites')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('hash', 'text', (column) => column.notNull().unique())
    .addColumn('created_by', 'text', (column) => column.references('users.id').onDelete('cascade'))
    .addColumn('created_ms', 'bigint', (column) => column.notNull())
    .addColumn('used_by', 'text', (column) => column.references('users.id').onDelete('set null'))
    .addColumn('used_ms', 'bigint')
    .execute();
  await db.schema.createIndex('invites_created_by').on('invites').column('created_by').execute();
  await db.schema
    .createTable('settings')
    .addColumn('key', 'text', (column) => column.primaryKey())
    .addColumn('value', 'text', (column) => column.notNull())
    .execute();
}

async function handlers(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('handlers')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('name', 'text', (column) => column.notNull().unique())
    .addColumn('owner_id', 'text', (column) => column.notNull().references('users.id'))
    .addColumn('deploy_branch', 'text')
    .addColumn('next_number', 'bigint', (column) => column.notNull())
    .addColumn('created_ms', 'bigint', (column) => column.notNull())
    .addColumn('deleted_ms', 'bigint')
    .execute();
  await db.schema.createIndex('handlers_owner').on('handlers').column('owner_id').execute();
  await db.schema
    .createTable('artifacts')
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('sha256', 'text', (column) => column.notNull())
    .addColumn('meter_version', 'bigint', (column) => column.notNull())
    .addColumn('original_bytes', 'bigint', (column) => column.notNull())
    .addColumn('bytes', 'bigint', (column) => column.notNull())
    .addColumn('module', 'text', (column) => column.notNull())
    .addColumn('created_ms', 'bigint', (column) => column.notNull())
    .execute();
  await db.schema
    .createTable('deployments')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('handler_id', 'text', (column) => column.notNull().references('handlers.id').onDelete('cascade'))
    .addColumn('number', 'bigint', (column) => column.notNull())
    .addColumn('commit', 'text', (column) => column.notNull())
    .addColumn('ref', 'text', (column) => column.notNull())
    .addColumn('user_id', 'text', (column) => column.notNull().references('users.id'))
    .addColumn('artifact', 'text', (column) => column.notNull().references('artifacts.name'))
    .addColumn('module_path', 'text', (column) => column.notNull())
    .addColumn('manifest', 'text', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('failure', 'text')
    .addColumn('vet_ms', 'bigint', (column) => column.notNull())
    .addColumn('created_ms', 'bigint', (column) => column.notNull())
    .addUniqueConstraint('deployments_number', ['handler_id', 'number'])
    .execute();
  await db.schema.createIndex('deployments_artifact').on('deployments').column('artifact').execute();
  await db.schema.createIndex('deployments_state').on('deployments').column('state').execute();
  await db.schema
    .createTable('releases')
    .addColumn('handler_id', 'text', (column) => column.notNull().references('handlers.id').onDelete('cascade'))
    .addColumn('branch', 'text', (column) => column.notNull())
    .addColumn('deployment_id', 'text', (column) => column.notNull().references('deployments.id').onDelete('cascade'))
    .addColumn('changed_ms', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('releases_key', ['handler_id', 'branch'])
    .execute();
  await db.schema.createIndex('releases_deployment').on('releases').column('deployment_id').execute();
  await db.schema
    .createTable('handler_env')
    .addColumn('handler_id', 'text', (column) => column.notNull().references('handlers.id').onDelete('cascade'))
    .addColumn('key', 'text', (column) => column.notNull())
    .addColumn('sealed', 'text', (column) => column.notNull())
    .addColumn('updated_ms', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('handler_env_key', ['handler_id', 'key'])
    .execute();
  await db.schema
    .createTable('kv')
    .addColumn('handler_id', 'text', (column) => column.notNull().references('handlers.id').onDelete('cascade'))
    .addColumn('bucket', 'text', (column) => column.notNull())
    .addColumn('key', 'text', (column) => column.notNull())
    .addColumn('value', 'bytea', (column) => column.notNull())
    .addColumn('updated_ms', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('kv_key', ['handler_id', 'bucket', 'key'])
    .execute();
}

/**
 * Log lines and usage refer to handlers without a foreign key: checking it would cost on the hottest
 * insert, and purging a handler removes them in small steps (src/control/logs/retention.ts).
 */
async function records(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('log_lines')
    .addColumn('cursor', 'bigint', (column) => column.notNull())
    .addColumn('handler_id', 'text', (column) => column.notNull())
    .addColumn('deployment', 'bigint', (column) => column.notNull())
    .addColumn('invocation', 'text', (column) => column.notNull())
    .addColumn('seq', 'bigint', (column) => column.notNull())
    .addColumn('time_ms', 'bigint', (column) => column.notNull())
    .addColumn('gas', 'bigint', (column) => column.notNull())
    .addColumn('stream', 'text', (column) => column.notNull())
    .addColumn('level', 'bigint', (column) => column.notNull())
    .addColumn('text', 'text', (column) => column.notNull())
    // Every reader asks for one handler's lines by cursor.
    .addPrimaryKeyConstraint('log_lines_key', ['handler_id', 'cursor'])
    .execute();
  await db.schema
    .createTable('invocations')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('handler_id', 'text', (column) => column.notNull())
    .addColumn('deployment', 'bigint', (column) => column.notNull())
    .addColumn('started_ms', 'bigint', (column) => column.notNull())
    .addColumn('status', 'bigint', (column) => column.notNull())
    .addColumn('outcome', 'text', (column) => column.notNull())
    .addColumn('duration_ms', 'double precision', (column) => column.notNull())
    .addColumn('gas', 'bigint', (column) => column.notNull())
    .addColumn('record', 'text', (column) => column.notNull())
    .execute();
  await db.schema
    .createIndex('invocations_recent')
    .on('invocations')
    .columns(['handler_id', 'started_ms', 'id'])
    .execute();
  await db.schema
    .createTable('usage')
    .addColumn('handler_id', 'text', (column) => column.notNull())
    .addColumn('deployment', 'bigint', (column) => column.notNull())
    .addColumn('minute_ms', 'bigint', (column) => column.notNull())
    .addColumn('invocations', 'bigint', (column) => column.notNull())
    .addColumn('failures', 'bigint', (column) => column.notNull())
    .addColumn('gas', 'bigint', (column) => column.notNull())
    .addColumn('duration_ms', 'double precision', (column) => column.notNull())
    .addColumn('bytes_in', 'bigint', (column) => column.notNull())
    .addColumn('bytes_out', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('usage_key', ['handler_id', 'minute_ms', 'deployment'])
    .execute();
}
