/** Makes quotas over a test's database. Files count nothing unless the test measures them. */
import type { Database } from '../../src/control/db/database.ts';
import { databaseMeasures, queueBytes } from '../../src/control/quota/measures.ts';
import { Quotas, type QuotasOptions } from '../../src/control/quota/quotas.ts';

export function testQuota(db: Database, options: Partial<QuotasOptions> = {}): Quotas {
  return new Quotas({
    db,
    quotaBytes: 2 * 1024 ** 3,
    queueBytes: (userId) => queueBytes(db, userId),
    disk: null,
    trim: { logs: async () => {}, usage: async () => {} },
    now: () => performance.now(),
    report: (message, error) => {
      throw new Error(message, { cause: error });
    },
    ...options,
    measures: { ...databaseMeasures(db), repositories: async () => 0, artifacts: async () => 0, ...options.measures },
  });
}
