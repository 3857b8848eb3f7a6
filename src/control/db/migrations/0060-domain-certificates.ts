/** Keeps what the last handshake under each custom domain has shown. */
import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

export const domainCertificates: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema.alterTable('domains').addColumn('certificate_ms', 'bigint').execute();
    await db.schema.alterTable('domains').addColumn('certificate_problem', 'text').execute();
  },
};
