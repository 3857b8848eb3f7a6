/**
 * Chooses the calls that are made next. However many wait, it reads a few of each handler that has any: the index
 * `calls_waiting` leads from handler to handler, and within a handler from one call to the next.
 */
import { type ExpressionBuilder, type Kysely, sql } from 'kysely';
import { callLimits, MIB } from '../../protocol/limits.ts';
import type { HandlerId } from '../../protocol/names.ts';
import type { Schema } from '../db/schema.ts';

export const choiceLimits = {
  /** Handlers whose calls one query reads: of each at most callLimits.concurrency. */
  handlers: 64,
  /** Bytes of the bodies of one choice; at least one call is chosen. */
  bytes: 8 * MIB,
} as const;

/** Places for calls, shared by owners (src/waiting/fair-places.ts). */
export interface CallPlaces {
  /** Returns the number of places that an owner may still take. */
  room(ownerId: string): number;
  take(ownerId: string, count: number): void;
  give(ownerId: string, count: number): void;
}

/** A call that may be taken. */
export interface WaitingCall {
  readonly id: string;
  readonly handlerId: HandlerId;
  readonly handler: string;
  readonly ownerId: string;
}

/** A handler with a call that may be made now. */
interface WaitingHandler {
  readonly id: string;
  readonly name: string;
  readonly ownerId: string;
  /** When its first such call was due, in Unix milliseconds. */
  readonly dueMs: number;
}

/**
 * Returns calls that are due, in a fair order, and takes the place of each. A call is chosen if its owner has room, and
 * at most callLimits.concurrency of a handler, less `running` of it. Owners take turns, and so do the handlers of an
 * owner, first those with the fewest calls in progress; places that some handlers leave go to others of the owner. Of
 * the serial runs of one schedule one at a time is chosen.
 */
export async function chooseCalls(
  db: Kysely<Schema>,
  options: {
    /** Unix milliseconds. */
    readonly nowMs: number;
    /** Number of calls in progress, by handler. */
    readonly running: ReadonlyMap<string, number>;
    readonly places: CallPlaces;
  },
): Promise<readonly WaitingCall[]> {
  const { nowMs, running, places } = options;
  const room = ({ id }: { readonly id: string }): number => callLimits.concurrency - (running.get(id) ?? 0);
  const found = await waitingHandlers(db, nowMs).execute();
  const handlers = inTurns(
    found.flatMap(({ id, name, ownerId, dueMs }) =>
      dueMs === null || room({ id }) <= 0 ? [] : [{ id, name, ownerId, dueMs: Number(dueMs) }],
    ),
    ({ ownerId }) => ownerId,
    (a, b) => room(b) - room(a) || a.dueMs - b.dueMs,
  );
  const handlersOf = new Map<string, number>();
  for (const { ownerId } of handlers) handlersOf.set(ownerId, (handlersOf.get(ownerId) ?? 0) + 1);
  // Each handler's share of the owner's places, one at least.
  const shares = new Map(
    handlers.map(({ id, ownerId }) => [
      id,
      Math.min(room({ id }), Math.ceil(places.room(ownerId) / (handlersOf.get(ownerId) ?? 1))),
    ]),
  );
  const chosen: WaitingCall[] = [];
  const chosenIds = new Set<string>();
  const chosenOf = new Map<string, number>();
  const taken = ({ id }: WaitingHandler): number => chosenOf.get(id) ?? 0;
  let bytes = 0;
  /** Chooses of each of `some` until its number is `most`; returns whether there is room for more bytes. */
  const choose = async (some: readonly WaitingHandler[], most: (handler: WaitingHandler) => number) => {
    for (let left = some; ; ) {
      left = left.filter(({ ownerId }) => places.room(ownerId) > 0);
      const part = left.slice(0, choiceLimits.handlers);
      left = left.slice(choiceLimits.handlers);
      if (part.length === 0) return true;
      for (const one of await firstCalls(db, part, { nowMs, most })) {
        if (chosenIds.has(one.id) || places.room(one.ownerId) === 0) continue;
        bytes += one.bytes;
        if (chosen.length > 0 && bytes > choiceLimits.bytes) return false;
        places.take(one.ownerId, 1);
        chosen.push(one);
        chosenIds.add(one.id);
        chosenOf.set(one.handlerId, (chosenOf.get(one.handlerId) ?? 0) + 1);
      }
    }
  };
  try {
    const share = ({ id }: WaitingHandler): number => shares.get(id) ?? 1;
    if (!(await choose(handlers, share))) return chosen;
    // Places that others left go to handlers that have used up their share.
    const more = handlers.filter((one) => taken(one) >= share(one) && share(one) < room(one));
    await choose(more, (one) => Math.min(room(one), taken(one) + places.room(one.ownerId)));
    return chosen;
  } catch (error) {
    for (const { ownerId } of chosen) places.give(ownerId, 1);
    throw error;
  }
}

/**
 * Makes the query for the handlers that have waiting calls, with the time at which the first of those that may be made
 * was due; null: none may be made yet. Handlers of suspended users and deleted handlers are left out.
 */
export function waitingHandlers(db: Kysely<Schema>, nowMs: number) {
  return db
    .withRecursive('waiting', (from) =>
      from
        .selectFrom('calls')
        .select(({ fn }) => fn.min<string | null>('handler_id').as('handler_id'))
        .where('state', '=', ready)
        .unionAll((next) =>
          next
            .selectFrom('waiting')
            .select(({ selectFrom }) =>
              selectFrom('calls as c')
                .select(({ fn }) => fn.min<string | null>('c.handler_id').as('handler_id'))
                .where('c.state', '=', ready)
                .whereRef('c.handler_id', '>', 'waiting.handler_id')
                .as('handler_id'),
            )
            .where('waiting.handler_id', 'is not', null),
        ),
    )
    .selectFrom('waiting')
    .innerJoin('handlers', 'handlers.id', 'waiting.handler_id')
    .innerJoin('users', 'users.id', 'handlers.owner_id')
    .select(['handlers.id', 'handlers.name', 'handlers.owner_id as ownerId'])
    .select(({ selectFrom }) =>
      selectFrom('calls as c')
        .select('c.due_ms')
        .whereRef('c.handler_id', '=', 'handlers.id')
        .where('c.state', '=', ready)
        .where('c.due_ms', '<=', nowMs)
        .where(mayBeMade)
        .orderBy('c.due_ms')
        .limit(1)
        .as('dueMs'),
    )
    .where('handlers.deleted_ms', 'is', null)
    .where('users.suspended_ms', 'is', null);
}

/** Makes the query for the calls of some handlers that are due: of each the first `most`, in their order. */
export function firstCallsQuery(
  db: Kysely<Schema>,
  handlers: readonly WaitingHandler[],
  { nowMs, most }: { readonly nowMs: number; readonly most: (handler: WaitingHandler) => number },
) {
  const [first, ...others] = handlers.map((handler) =>
    db
      .selectFrom((from) =>
        from
          .selectFrom('calls as c')
          .select(['c.id', 'c.handler_id', 'c.schedule', 'c.is_serial', 'c.due_ms', 'c.created_ms'])
          .select(({ fn }) => fn<number>('length', ['c.body']).as('bytes'))
          .where('c.handler_id', '=', handler.id)
          .where('c.state', '=', ready)
          .where('c.due_ms', '<=', nowMs)
          .where(mayBeMade)
          .orderBy('c.due_ms')
          .orderBy('c.created_ms')
          .orderBy('c.id')
          .limit(most(handler))
          .as('own'),
      )
      .selectAll(),
  );
  if (first === undefined) throw new Error('calls of at least one handler');
  return others.reduce((all, one) => all.unionAll(one), first);
}

interface SizedCall extends WaitingCall {
  readonly bytes: number;
}

/**
 * Returns the result of firstCallsQuery without second runs of serial schedules, owners and their handlers in turns.
 */
async function firstCalls(
  db: Kysely<Schema>,
  handlers: readonly WaitingHandler[],
  options: { readonly nowMs: number; readonly most: (handler: WaitingHandler) => number },
): Promise<readonly SizedCall[]> {
  const rows = await firstCallsQuery(db, handlers, options).execute();
  rows.sort((a, b) => Number(a.due_ms) - Number(b.due_ms) || Number(a.created_ms) - Number(b.created_ms));
  const places = new Map(handlers.map(({ id }, place) => [id, { taken: 0, place }]));
  const serial = new Set<string>();
  const calls = rows.flatMap((row) => {
    const handler = handlers[places.get(row.handler_id)?.place ?? -1];
    const own = places.get(row.handler_id);
    const schedule = `${row.handler_id} ${row.schedule}`;
    if (handler === undefined || own === undefined || serial.has(schedule)) return [];
    if (row.is_serial === 1) serial.add(schedule);
    own.taken += 1;
    const { id: handlerId, name, ownerId } = handler;
    const call = { id: row.id, handlerId, handler: name, ownerId, bytes: Number(row.bytes) };
    return [{ ...call, turn: own.taken, place: own.place }];
  });
  return inTurns(
    calls,
    ({ ownerId }) => ownerId,
    (a, b) => a.turn - b.turn || a.place - b.place,
  );
}

/** The state as a literal, for which SQLite uses the partial index. */
const ready = sql.lit('ready' as const);

/** Whether no other run of the call's schedule is in progress, if such runs follow each other. */
function mayBeMade({ or, not, exists, selectFrom, eb }: ExpressionBuilder<Schema & { c: Schema['calls'] }, 'c'>) {
  return or([
    eb('c.is_serial', '=', 0),
    not(
      exists(
        selectFrom('calls as other')
          .select('other.id')
          .whereRef('other.handler_id', '=', 'c.handler_id')
          .whereRef('other.schedule', '=', 'c.schedule')
          .where('other.state', '=', 'inflight'),
      ),
    ),
  ]);
}

/**
 * Returns the items in turns: the first of each owner, then the second of each…; `compare` orders those of an owner.
 */
function inTurns<T>(items: readonly T[], ownerOf: (item: T) => string, compare: (a: T, b: T) => number): T[] {
  const turns = new Map<string, number>();
  const sorted = [...items].sort(compare).map((item) => {
    const owner = ownerOf(item);
    const turn = turns.get(owner) ?? 0;
    turns.set(owner, turn + 1);
    return { item, turn };
  });
  // The sort is stable: within a turn the order of `compare` stays.
  return sorted.sort((a, b) => a.turn - b.turn).map(({ item }) => item);
}
