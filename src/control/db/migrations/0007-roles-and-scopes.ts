/**
 * Adds permissions: administrators and suspended users, limits and a second factor of each user, scopes and expiry of a
 * Token, invites for several people, collaborators of handlers, and transfers that wait to be accepted.
 *
 * The oldest account becomes the administrator. Existing Tokens keep all permissions.
 */
import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

export const rolesAndScopes: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await users(db);
    await tokensAndInvites(db);
    await teams(db);
  },
};

async function users(db: Kysely<unknown>): Promise<void> {
  const users = () => db.schema.alterTable('users');
  // 1 or 0: the two databases have no common type for yes and no.
  await users()
    .addColumn('is_admin', 'bigint', (column) => column.notNull().defaultTo(0))
    .execute();
  await users().addColumn('suspended_ms', 'bigint').execute();
  await users()
    .addColumn('credential_epoch', 'bigint', (column) => column.notNull().defaultTo(0))
    .execute();
  await users().addColumn('handlers_max', 'bigint').execute();
  await users().addColumn('quota_bytes', 'bigint').execute();
  await users().addColumn('calls_max', 'bigint').execute();
  await users().addColumn('totp_sealed', 'text').execute();
  await users().addColumn('totp_confirmed_ms', 'bigint').execute();
  await users().addColumn('totp_last_step', 'bigint').execute();
  await sql`update users set is_admin = 1
    where id = (select id from users order by created_ms, id limit 1)`.execute(db);
  await db.schema
    .createTable('recovery_codes')
    .addColumn('user_id', 'text', (column) => column.notNull().references('users.id').onDelete('cascade'))
    .addColumn('hash', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('recovery_codes_key', ['user_id', 'hash'])
    .execute();
}

async function tokensAndInvites(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .alterTable('tokens')
    .addColumn('scope', 'text', (column) => column.notNull().defaultTo('full'))
    .execute();
  await db.schema
    .alterTable('tokens')
    .addColumn('handler_id', 'text', (column) => column.references('handlers.id').onDelete('cascade'))
    .execute();
  await db.schema.alterTable('tokens').addColumn('expires_ms', 'bigint').execute();
  await db.schema.createIndex('tokens_handler').on('tokens').column('handler_id').execute();
  await db.schema
    .alterTable('invites')
    .addColumn('uses_max', 'bigint', (column) => column.notNull().defaultTo(1))
    .execute();
  await db.schema
    .alterTable('invites')
    .addColumn('uses', 'bigint', (column) => column.notNull().defaultTo(0))
    .execute();
  await db.schema.alterTable('invites').addColumn('expires_ms', 'bigint').execute();
  await db.schema
    .createTable('invite_uses')
    .addColumn('invite_id', 'text', (column) => column.notNull().references('invites.id').onDelete('cascade'))
    .addColumn('user_id', 'text', (column) => column.notNull().references('users.id').onDelete('cascade'))
    .addColumn('used_ms', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('invite_uses_key', ['invite_id', 'user_id'])
    .execute();
  await sql`insert into invite_uses (invite_id, user_id, used_ms)
    select id, used_by, used_ms from invites where used_by is not null and used_ms is not null`.execute(db);
  await sql`update invites set uses = 1 where used_ms is not null`.execute(db);
  await db.schema.alterTable('invites').dropColumn('used_by').execute();
  await db.schema.alterTable('invites').dropColumn('used_ms').execute();
}

async function teams(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('collaborators')
    .addColumn('handler_id', 'text', (column) => column.notNull().references('handlers.id').onDelete('cascade'))
    .addColumn('user_id', 'text', (column) => column.notNull().references('users.id').onDelete('cascade'))
    .addColumn('role', 'text', (column) => column.notNull())
    .addColumn('added_ms', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('collaborators_key', ['handler_id', 'user_id'])
    .execute();
  await db.schema.createIndex('collaborators_user').on('collaborators').column('user_id').execute();
  await db.schema
    .createTable('transfers')
    .addColumn('handler_id', 'text', (column) => column.primaryKey().references('handlers.id').onDelete('cascade'))
    .addColumn('to_user', 'text', (column) => column.notNull().references('users.id').onDelete('cascade'))
    .addColumn('offered_ms', 'bigint', (column) => column.notNull())
    .execute();
  await db.schema.createIndex('transfers_user').on('transfers').column('to_user').execute();
}
