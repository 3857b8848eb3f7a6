/** Adds limits and policy patterns that an owner sets without a push, as JSON (src/control/handlers/settings.ts). */
import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

export const handlerSettings: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema.alterTable('handlers').addColumn('settings', 'text').execute();
  },
};
