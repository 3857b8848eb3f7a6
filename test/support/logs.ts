import { randomBytes, randomInt } from 'node:crypto';
import type { Kysely } from 'kysely';
import type { Database } from '../../src/control/db/database.ts';
import type { Schema } from '../../src/control/db/schema.ts';
import { type Handler, Handlers } from '../../src/control/handlers/handlers.ts';
import { insertBlocks, rowOf } from '../../src/control/logs/block-rows.ts';
import { LogStore } from '../../src/control/logs/log-store.ts';
import { packLines } from '../../src/protocol/log-block.ts';
import { lineAt, unpackBlock } from '../../src/protocol/log-block-reader.ts';
import { type HandlerId, handlerIdOf } from '../../src/protocol/names.ts';
import type { LogLine, PendingLogLine } from '../../src/protocol/nouns.ts';
import { sqlite, type TemporaryDatabase, type TestDialect } from './database.ts';

export interface Bench {
  readonly db: Database;
  readonly database: TemporaryDatabase;
  readonly handlers: Handlers;
  readonly a: Handler;
  readonly b: Handler;
  readonly errors: unknown[];
  openLogs(options?: { readonly cursorBlock?: number }): Promise<LogStore>;
  close(): Promise<void>;
}

/** Opens a real database with one user and the handlers `aa` and `bb`. */
export async function bench(dialect: TestDialect = sqlite): Promise<Bench> {
  const database = await dialect.temporary();
  const { db } = database;
  await db.insertInto('users').values({ id: 'u', name: 'u', password_hash: 'x', created_ms: 1 }).execute();
  const handlers = new Handlers({ db, now: Date.now, randomBytes, randomInt });
  const errors: unknown[] = [];
  const create = async (name: string): Promise<Handler> => {
    const { id } = await handlers.create({ name, ownerId: 'u' });
    await db
      .updateTable('handlers')
      .set({ id: idOf(name) })
      .where('id', '=', id)
      .execute();
    return (await handlers.find(name))!;
  };
  return {
    db,
    database,
    handlers,
    a: await create('aa'),
    b: await create('bb'),
    errors,
    openLogs: (options = {}) =>
      LogStore.open({ ...options, db, now: Date.now, onError: (error) => errors.push(error) }),
    close: () => database.close(),
  };
}

/**
 * Returns all stored lines in the order of their cursors; `handlerId`: those of one handler. Their handler is its id.
 */
export async function storedLines(db: Kysely<Schema>, handlerId?: string): Promise<LogLine[]> {
  let query = db.selectFrom('log_blocks').selectAll().orderBy('first_cursor');
  if (handlerId !== undefined) query = query.where('handler_id', '=', handlerId);
  const lines = (await query.execute()).flatMap((row) => {
    const block = unpackBlock(row.data, row.lines);
    const place = { first: row.first_cursor, handler: row.handler_id };
    return Array.from({ length: block.lines }, (_, index) => lineAt(block, index, place));
  });
  return lines.sort((a, b) => a.cursor - b.cursor);
}

/**
 * Returns what has become of log lines: how many of `texts` are neither stored nor told as dropped by the log, and how
 * many lines whose text `pattern` matches are stored more than once.
 */
export async function lostLines(
  db: Kysely<Schema>,
  texts: readonly string[],
  pattern: RegExp,
): Promise<{ readonly missing: number; readonly twice: number }> {
  const lines = (await storedLines(db)).map(({ text }) => text);
  const mine = lines.filter((text) => pattern.test(text));
  const have = new Set(mine);
  const dropped = lines.reduce(
    (sum, text) => sum + Number(/^(\d+) log lines? w(?:as|ere) dropped here/.exec(text)?.[1] ?? 0),
    0,
  );
  const missing = texts.filter((text) => !have.has(text)).length;
  return { missing: Math.max(0, missing - dropped), twice: mine.length - have.size };
}

/** Stores lines with the cursors given, ascending, as one block of a handler. */
export async function storeLines(
  db: Kysely<Schema>,
  handlerId: string,
  lines: readonly { readonly cursor: number; readonly line: PendingLogLine }[],
): Promise<void> {
  const cursors = lines.map(({ cursor }) => cursor);
  const packed = packLines(
    lines.map(({ line }) => line),
    cursors,
  );
  const ends = { first: cursors[0] ?? 0, last: cursors.at(-1) ?? 0 };
  await insertBlocks.insert(db, [rowOf({ handlerId, ...packed }, ends)]);
}

/** Returns the id of the handler `name` of a bench. */
export function idOf(name: string): HandlerId {
  return handlerIdOf(`id-of-${name}`);
}

export function line(handler: string, text: string, more: Partial<PendingLogLine> = {}): PendingLogLine {
  return {
    handlerId: idOf(handler),
    deployment: 1,
    invocation: 'i',
    seq: 1,
    timeMs: 1,
    gas: 1,
    stream: 'log',
    level: 6,
    text,
    ...more,
  };
}

export function numbered(handler: string, count: number, from = 0): PendingLogLine[] {
  return Array.from({ length: count }, (_, i) => line(handler, `line ${from + i}`, { seq: from + i }));
}
