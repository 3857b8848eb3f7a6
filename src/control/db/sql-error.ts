/**
 * Error of a statement that the database refused. `sqlCode` is the driver's own code (SQLITE_CONSTRAINT, or
 * PostgreSQL's SQLSTATE 23505); stations test for its meaning with `isUniqueViolation` and similar functions. The error
 * keeps the statement for the log, without its parameters, which may be secrets.
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

/** Returns whether the statement failed because a row with this key exists. */
export function isUniqueViolation(error: unknown): boolean {
  if (!(error instanceof SqlError)) return false;
  if (error.sqlCode === '23505') return true;
  return error.sqlCode === 'SQLITE_CONSTRAINT' && /UNIQUE|PRIMARY KEY/.test(error.message);
}

/**
 * Returns whether the statement failed because a row that it refers to does not exist, or because a row still refers to
 * it.
 */
export function isForeignKeyViolation(error: unknown): boolean {
  if (!(error instanceof SqlError)) return false;
  return error.sqlCode === '23503' || (error.sqlCode === 'SQLITE_CONSTRAINT' && /FOREIGN KEY/.test(error.message));
}

/** Returns whether PostgreSQL refused bytes that are no UTF-8, or have a NUL, as text (character_not_in_repertoire). */
export function isNoText(error: unknown): boolean {
  return error instanceof SqlError && error.sqlCode === '22021';
}

/**
 * Returns whether the database could not work at the moment: the disk is full or fails, the server has ended, lets this
 * program not in (class 28, 3D000) or only copies another one (25006), a lock was held too long. The same statement may
 * work later. After a lost connection (class 08) the statement may or may not have been executed.
 */
export function isOutage(error: unknown): boolean {
  if (!(error instanceof SqlError)) return false;
  return /^(?:SQLITE_(?:FULL|IOERR|BUSY|READONLY|CANTOPEN|NOMEM)|53\d{3}|57014|57P\d\d|08[0-9A-Z]{3}|25006|25P03|28[0-9A-Z]{3}|3D000|40P01|40001|55P03|58\d{3})$/.test(
    error.sqlCode,
  );
}

/** Returns whether the database server could not be reached, went away or did not answer in time. */
export function isUnreachable(error: unknown): boolean {
  return error instanceof SqlError && /^(?:08|57)/.test(error.sqlCode);
}
