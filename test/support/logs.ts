import { randomBytes, randomInt } from 'node:crypto';
import type { Database } from '../../src/control/db/database.ts';
import { type Handler, Handlers } from '../../src/control/handlers/handlers.ts';
import { LogStore } from '../../src/control/logs/log-store.ts';
import { type HandlerId, handlerIdOf } from '../../src/protocol/names.ts';
import type { PendingLogLine } from '../../src/protocol/nouns.ts';
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
