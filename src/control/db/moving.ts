/** Tells a database that `trisiel migrate` has not filled completely from any other: no control may start on it. */
import type { Kysely } from 'kysely';
import { PlatformError } from '../../protocol/errors.ts';

/** Table with the progress of a move (src/control/backup/move-database.ts). It is dropped at the end of the move. */
export const progressTable = 'trisiel_move';

/** Returns whether a database is the target of a move that has not ended. */
export async function isMoving<DB>(db: Kysely<DB>): Promise<boolean> {
  return (await db.introspection.getTables()).some(({ name }) => name === progressTable);
}

/** Throws `unavailable` when a database is the target of a move that has not ended. */
export async function refuseMoving<DB>(db: Kysely<DB>): Promise<void> {
  if (!(await isMoving(db))) return;
  throw new PlatformError('unavailable', 'the database is the target of a move that has not ended', {
    hints: ['end the move: the same trisiel migrate command again'],
  });
}
