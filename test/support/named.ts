/**
 * Log lines and usage as tests write them, with the handler's name. Stations take ids; `withIds` finds them in the
 * database, and gives an unknown name the id of no handler.
 */
import type { Database } from '../../src/control/db/database.ts';
import type { LogStore } from '../../src/control/logs/log-store.ts';
import type { UsageStore } from '../../src/control/usage/usage-store.ts';
import type { UsageCount } from '../../src/protocol/messages.ts';
import { type HandlerId, handlerIdOf } from '../../src/protocol/names.ts';
import type { InvocationRecord, PendingInvocationRecord, PendingLogLine } from '../../src/protocol/nouns.ts';

type Named<T extends { readonly handlerId: HandlerId }> = Omit<T, 'handlerId'> & { readonly handler: string };
export type NamedLine = Named<PendingLogLine>;
export type NamedCount = Named<UsageCount>;

export interface NamedWriter {
  append(lines: readonly NamedLine[], dropped?: Readonly<Record<string, number>>): Promise<void>;
  record(usage: {
    readonly records: readonly InvocationRecord[];
    readonly counts: readonly NamedCount[];
  }): Promise<void>;
}

export function namedWriter(
  db: Database,
  stores: { readonly logs: LogStore; readonly usage: UsageStore },
): NamedWriter {
  return {
    async append(lines, dropped = {}) {
      const idOf = await ids(db);
      await stores.logs.append(
        lines.map((line): PendingLogLine => withId(line, idOf)),
        Object.fromEntries(Object.entries(dropped).map(([name, count]) => [idOf(name), count])),
      );
    },
    async record({ records, counts }) {
      const idOf = await ids(db);
      await stores.usage.record({
        records: records.map((record): PendingInvocationRecord => withId(record, idOf)),
        counts: counts.map((count): UsageCount => withId(count, idOf)),
      });
    },
  };
}

function withId<T extends { readonly handler: string }>(
  named: T,
  idOf: (name: string) => HandlerId,
): Omit<T, 'handler'> & { readonly handlerId: HandlerId } {
  const { handler, ...rest } = named;
  return { ...rest, handlerId: idOf(handler) };
}

async function ids(db: Database): Promise<(name: string) => HandlerId> {
  const rows = await db.reader.selectFrom('handlers').select(['id', 'name']).execute();
  const byName = new Map(rows.map(({ id, name }) => [name, id]));
  return (name) => handlerIdOf(byName.get(name) ?? `none-${name}`);
}
