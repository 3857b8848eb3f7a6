/** Takes the lease of a data folder in its database. */
import type { Logger } from 'pino';
import type { Database } from '../control/db/database.ts';
import { HeldLease, leaseLimits } from '../control/db/held-lease.ts';
import { SqlLeases } from '../control/db/leases.ts';
import { controlLease } from '../control/queues/lost-controls.ts';
import { PlatformError } from '../protocol/errors.ts';
import type { DataIdentity } from './data-identity.ts';

/**
 * Takes the lease of this data folder. Throws `unavailable` when a control with a copy of the folder holds the lease:
 * both controls would take the folder's repositories for their own.
 */
export async function takeFolderLease(db: Database, identity: DataIdentity, log: Logger): Promise<HeldLease> {
  const lease = await HeldLease.take({
    leases: new SqlLeases({ db }),
    name: `${controlLease}${identity.controlId}`,
    holder: identity.holder,
    ...(db.isShared ? { renewMs: leaseLimits.watchedRenewMs } : {}),
    onLost: () => log.fatal('another control works with a copy of this data folder: stop one of them'),
    onError: (error) => log.error({ err: error }, 'the lease of the data folder could not be renewed'),
  });
  if (lease !== null) return lease;
  throw new PlatformError('unavailable', 'another control works with a copy of this data folder', {
    hints: ['stop that one, wait 15 s, and start again', 'or choose an empty folder with TRISIEL_DATA'],
  });
}
