/**
 * What the database refused. `sqlCode` is the driver's own code (SQLITE_CONSTRAINT, or Postgres'
 * SQLSTATE 23505); stations ask by meaning with `isUniqueViolation` and its like, never by code.
 * The statement is kept for the log; its parameters are not, they may be secrets.
 */
export class SqlError extends Error {
  override readonly name = 'SqlError';
  readonly sqlCode: string;
  readonly sql: string;

  constructor(options: { message: string; sqlCode: string; sql: string; cause?: unknown }) {
    super(options.message, { cause: options.cause });
    this.sqlCode = options.sqlCode;
    this.sql = options.sql;
  }
}

/** Returns whether the statement failed since a row with this key exists already. */
export function isUniqueViolation(error: unknown): boolean {
  if (!(error instanceof SqlError)) return false;
  if (error.sqlCode === '23505') return true;
  return error.sqlCode === 'SQLITE_CONSTRAINT' && /UNIQUE|PRIMARY KEY/.test(error.message);
}

/**
 * Returns whether the statement failed since a row that this one refers to does not exist, or one still refers to it.
 */
export function isForeignKeyViolation(error: unknown): boolean {
  if (!(error instanceof SqlError)) return false;
  return error.sqlCode === '23503' || (error.sqlCode === 'SQLITE_CONSTRAINT' && /FOREIGN KEY/.test(error.message));
}

/**
 * Returns whether the database could not do its work now: the disk is full or fails, the server is gone or ends, a lock
 * was held for too long. The same statement may work later. After a lost connection (class 08) the statement may or may
 * not have been done.
 */
export function isOutage(error: unknown): boolean {
  if (!(error instanceof SqlError)) return false;
  return /^(?:SQLITE_(?:FULL|IOERR|BUSY|READONLY|CANTOPEN|NOMEM)|53\d{3}|57014|57P\d\d|08[0-9A-Z]{3}|25P03|40P01|40001|55P03|58\d{3})$/.test(
    error.sqlCode,
  );
}

/** Returns whether the database server could not be reached, has gone away or did not answer in time. */
export function isUnreachable(error: unknown): boolean {
  return error instanceof SqlError && /^(?:08|57)/.test(error.sqlCode);
}
