/**
 * Limits the bytes that each user stores, over all kinds of data. Data is measured, and growth since the last measure
 * is added: a user may exceed the quota by the bytes that several controls store within `trustMs`.
 *
 * When the disk itself is nearly full, the user who stores most is refused first: the less space is free, the more
 * users.
 */

import { domainLimits } from '../../protocol/domains.ts';
import { PlatformError } from '../../protocol/errors.ts';
import type { HandlerId } from '../../protocol/names.ts';
import { type HandlerKind, handlerKinds, storedKinds } from '../../protocol/nouns.ts';
import { recordOf } from '../../protocol/record-of.ts';
import type { QuotaView } from '../../protocol/views.ts';
import { KeyedMutex } from '../../waiting/keyed-mutex.ts';
import type { Database } from '../db/database.ts';
import { GrowthWatch } from '../db/growth-watch.ts';
import type { DiskSpace } from './disk-space.ts';
import { type Measure, measureSlack } from './measures.ts';
import { type HandlerBytes, StoredBytes } from './stored-bytes.ts';
import { sizeText, whatUsesMost } from './words.ts';

export interface QuotasOptions {
  readonly db: Database;
  /** Bytes that a user may store for whom no administrator has set a quota. */
  readonly quotaBytes: number;
  readonly measures: Readonly<Record<HandlerKind, Measure>>;
  /** Returns the bytes of a user's queues. */
  readonly queueBytes: (userId: string) => Promise<number>;
  /** Disk of the data folder; null: it is not watched. */
  readonly disk: Pick<DiskSpace, 'deleting' | 'roomLeft'> | null;
  /** Removes the oldest data of one kind of a handler until about `bytes` remain. */
  readonly trim: Readonly<Record<GivingWay, (handlerId: HandlerId, bytes: number) => Promise<void>>>;
  /** Milliseconds that never jump. */
  readonly now: () => number;
  /** Takes a failure of the platform, for the platform's own log. */
  readonly report: (message: string, error: unknown) => void;
}

/**
 * Kinds whose oldest data is removed above their share: the platform writes them, and their owner cannot delete them.
 */
type GivingWay = 'logs' | 'usage';
const givingWay = ['logs', 'usage'] as const;

export const quotaLimits = {
  /** Milliseconds for which a user's sum is trusted; other controls may store data meanwhile. */
  trustMs: 10_000,
  /** Times that a user's sum is read while measures end meanwhile; then growth may count twice until the next sum. */
  reads: 5,
  /** Number of users and handlers that are remembered. */
  remembered: 10_000,
  /** Milliseconds between two new measures of a handler or user that asks for more than is left. */
  recountMs: 2_000,
  /**
   * Shares of the quota that logs and usage may take before their oldest data is removed, so that no value is refused
   * because of them.
   */
  shares: { logs: 1 / 4, usage: 1 / 10 },
} as const;

interface Growth {
  /** Bytes stored since this was made. */
  total: number;
  /** `total` when the newest measure began that has ended: the measure holds these bytes. */
  measured: number;
}

interface UserSum {
  bytes: number;
  /** Bytes that the user may store. */
  readonly quotaBytes: number;
  readonly untilMs: number;
}

export class Quotas {
  readonly #options: QuotasOptions;
  readonly #stored: StoredBytes;
  readonly #users = new Map<string, UserSum>();
  readonly #owners = new Map<string, { readonly userId: string; readonly untilMs: number }>();
  readonly #recountedMs = new Map<string, number>();
  /** Growth that no measure holds, by `KIND HANDLERID`. */
  readonly #growth = new Map<string, Growth>();
  /** Counts measures that have ended. */
  #measures = 0;
  /** Number of the measure that began last. */
  #begun = 0;
  /** Number of the measure whose bytes are stored, by `KIND HANDLERID`. */
  readonly #newest = new Map<string, number>();
  /** Stores the bytes of one kind of a handler one after the other. */
  readonly #writes = new KeyedMutex();
  readonly #watch: GrowthWatch;
  #isClosed = false;

  constructor(options: QuotasOptions) {
    this.#options = options;
    this.#stored = new StoredBytes(options.db);
    this.#watch = new GrowthWatch({
      slack: 1,
      trim: async (key) => {
        const [kind, handlerId] = key.split(' ');
        await this.measure(handlerId!, [kind as HandlerKind]); // `grew` has written the key.
      },
      onError: (error) => options.report('stored bytes could not be measured', error),
    });
  }

  /** Returns the bytes that a user may store: the number set by an administrator, or the platform's quota. */
  async quotaOf(userId: string): Promise<number> {
    return (await this.#sumOf(userId)).quotaBytes;
  }

  /** Returns the bytes that a handler stores, as last measured. */
  bytesOf(handlerId: HandlerId): Promise<number> {
    return this.#stored.ofHandler(handlerId);
  }

  /** Counts a handler in the quota of its new owner from now on. */
  moved(handlerId: HandlerId): void {
    this.#owners.delete(handlerId);
    this.#users.clear();
  }

  /** Applies a user's changed quota from now on. */
  changed(userId: string): void {
    this.#users.delete(userId);
  }

  /** Returns what a user stores, the handlers with most first. */
  async view(userId: string): Promise<QuotaView> {
    const rows = await this.#stored.ofUser(userId);
    const byKind = recordOf(storedKinds, () => 0);
    for (const { kind, bytes } of rows) byKind[kind] += bytes;
    byKind.queues = await this.#options.queueBytes(userId);
    const handlers = [...Map.groupBy(rows, ({ name }) => name)]
      .map(([name, theirs]) => ({ name, bytes: sum(theirs), deleted: theirs.some(({ isDeleted }) => isDeleted) }))
      .sort((a, b) => b.bytes - a.bytes || (a.name < b.name ? -1 : 1));
    const usedBytes = sum(rows) + byKind.queues;
    const domains = { count: await this.#domainsOf(userId), max: domainLimits.perUser };
    return { quotaBytes: await this.quotaOf(userId), usedBytes, byKind, handlers, domains };
  }

  async #domainsOf(userId: string): Promise<number> {
    const { n } = await this.#options.db
      .selectFrom('domains')
      .innerJoin('handlers', 'handlers.id', 'domains.handler_id')
      .select(({ fn }) => fn.countAll<number>().as('n'))
      .where('handlers.owner_id', '=', userId)
      .executeTakeFirstOrThrow();
    return Number(n);
  }

  /** Returns the bytes that a user stores, as far as is known. */
  async usedBytes(userId: string): Promise<number> {
    return (await this.#sumOf(userId)).bytes;
  }

  /** Throws `limit_exceeded`, saying what uses most and what to do, unless the user may store `bytes` more. */
  async admit(userId: string, bytes: number): Promise<void> {
    const { disk } = this.#options;
    const user = await this.#sumOf(userId);
    const used = user.bytes;
    if (used + bytes > user.quotaBytes) throw await this.#refusal(userId, user);
    const room = disk === null ? 1 : await disk.roomLeft();
    if (room >= 1) return;
    const largest = await this.#stored.ofLargestUser();
    if (used + bytes < largest * room) return;
    throw new PlatformError(
      'limit_exceeded',
      'the disk of this server is nearly full; those who keep most wait first',
      {
        details: whatUsesMost(await this.#stored.ofUser(userId)),
        hints: ['make room with wasmcloud delete NAME --purge, or try again later'],
        retryAfterSeconds: 60,
      },
    );
  }

  /**
   * Runs `store`, which stores `bytes` of `kind` for a handler, if the handler's owner has so much left, and counts
   * them. Returns what `store` returns. Throws `limit_exceeded` without running it.
   */
  async storing<T>(handlerId: HandlerId, kind: HandlerKind, bytes: number, store: () => Promise<T>): Promise<T> {
    const userId = await this.#ownerOf(handlerId);
    if (userId !== null)
      await this.admit(userId, bytes).catch(async (error: unknown) => {
        // Replaced values count twice until the handler is measured.
        if (!this.#mayRecount(handlerId)) throw error;
        await this.measure(handlerId, [kind]);
        await this.admit(userId, bytes);
      });
    const result = await store();
    this.grew(handlerId, kind, bytes);
    return result;
  }

  /**
   * Runs `publish`, which stores `bytes` in a user's queues, if the user has so much left, and counts them. Returns
   * what `publish` returns. Throws `limit_exceeded` without running it.
   */
  async publishing<T>(userId: string, bytes: number, publish: () => Promise<T>): Promise<T> {
    await this.admit(userId, bytes).catch(async (error: unknown) => {
      // Messages may have been acknowledged since the sum was read.
      if (!this.#mayRecount(userId)) throw error;
      this.#users.delete(userId);
      await this.admit(userId, bytes);
    });
    const result = await publish();
    const known = this.#users.get(userId);
    if (known !== undefined) known.bytes += bytes;
    return result;
  }

  /** Counts bytes that have been stored. The handler is measured soon where they are many. */
  grew(handlerId: HandlerId, kind: HandlerKind, bytes: number): void {
    const owner = this.#owners.get(handlerId);
    const user = owner === undefined ? undefined : this.#users.get(owner.userId);
    if (user !== undefined) user.bytes += bytes;
    const key = `${kind} ${handlerId}`;
    this.#growthOf(key).total += bytes;
    this.#watch.grown(key, bytes / measureSlack[kind]);
  }

  /** Measures a handler and stores the numbers. Logs and usage above their share of the quota are trimmed. */
  async measure(handlerId: HandlerId, kinds: readonly HandlerKind[] = handlerKinds): Promise<void> {
    for (const kind of kinds) await this.#measureOne(handlerId, kind);
    const userId = await this.#ownerOf(handlerId);
    if (userId === null) return;
    this.#users.delete(userId);
    for (const kind of givingWay) if (kinds.includes(kind)) await this.#trim(userId, kind);
  }

  /**
   * Measures one kind of a handler and stores the number. A measure may miss what is stored or deleted while it runs:
   * of those that run at the same time the one that began last counts.
   */
  async #measureOne(handlerId: HandlerId, kind: HandlerKind): Promise<void> {
    const key = `${kind} ${handlerId}`;
    const growth = this.#growthOf(key);
    const begun = growth.total;
    this.#begun += 1;
    const number = this.#begun;
    const bytes = await this.#options.measures[kind](handlerId);
    if (bytes === null) return;
    await this.#writes.run(key, async () => {
      if (number < (this.#newest.get(key) ?? 0)) return;
      remember(this.#newest, key, number);
      await this.#stored.set(handlerId, kind, bytes);
      this.#measures += 1;
      growth.measured = Math.max(growth.measured, begun);
      if (growth.measured === growth.total && this.#growth.get(key) === growth) this.#growth.delete(key);
    });
  }

  /** Measures every handler, one after the other; runs after the start, when growth before it is unknown. */
  async measureAll(): Promise<void> {
    for (const handlerId of await this.#stored.handlerIds()) {
      if (this.#isClosed) return;
      await this.measure(handlerId).catch((error: unknown) =>
        this.#options.report('stored bytes could not be measured', error),
      );
    }
  }

  /** Runs `work`, which deletes data, with the disk's reserve free. Sums are read anew after it. */
  async deleting<T>(work: () => Promise<T>): Promise<T> {
    const { disk } = this.#options;
    try {
      return await (disk === null ? work() : disk.deleting(work));
    } finally {
      this.#users.clear();
      this.#owners.clear();
    }
  }

  /** Starts no further measures; resolves when the running one has ended. */
  close(): Promise<void> {
    this.#isClosed = true;
    return this.#watch.close();
  }

  async #queuesText(userId: string): Promise<readonly string[]> {
    const bytes = await this.#options.queueBytes(userId);
    return bytes === 0 ? [] : [`queues  ${sizeText(bytes)}`];
  }

  async #refusal(userId: string, user: UserSum): Promise<PlatformError> {
    const rows = await this.#stored.ofUser(userId);
    const quota = sizeText(user.quotaBytes);
    return new PlatformError('limit_exceeded', `your quota is used up: ${sizeText(user.bytes)} of ${quota}`, {
      details: [...whatUsesMost(rows), ...(await this.#queuesText(userId))],
      hints: [
        'see what uses it: wasmcloud quota',
        'make room for good: wasmcloud delete NAME --purge, or wasmcloud queue purge NAME',
      ],
    });
  }

  /** Removes the oldest data of a kind from handlers that have more than an equal part of the kind's share. */
  async #trim(userId: string, kind: GivingWay): Promise<void> {
    const rows = (await this.#stored.ofUser(userId)).filter((row) => row.kind === kind);
    const shareBytes = (await this.quotaOf(userId)) * quotaLimits.shares[kind];
    if (sum(rows) <= shareBytes) return;
    const partBytes = Math.floor(shareBytes / rows.length);
    for (const { handlerId, bytes } of rows) {
      if (bytes <= partBytes) continue;
      await this.#options.trim[kind](handlerId, partBytes);
      await this.#measureOne(handlerId, kind);
    }
    this.#users.delete(userId);
  }

  async #sumOf(userId: string): Promise<UserSum> {
    const nowMs = this.#options.now();
    const known = this.#users.get(userId);
    if (known !== undefined && nowMs < known.untilMs) return known;
    const quotaBytes = (await this.#stored.quotaOf(userId)) ?? this.#options.quotaBytes;
    const fresh = { bytes: await this.#bytesOf(userId), quotaBytes, untilMs: nowMs + quotaLimits.trustMs };
    remember(this.#users, userId, fresh);
    return fresh;
  }

  /** Adds what a user's handlers have grown to what was measured; both of one moment. */
  async #bytesOf(userId: string): Promise<number> {
    const handlerIds = await this.#stored.handlerIdsOf(userId);
    for (let reads = 1; ; reads += 1) {
      const [measures, grownBefore] = [this.#measures, this.#grownOf(handlerIds)];
      const measured = sum(await this.#stored.ofUser(userId)) + (await this.#options.queueBytes(userId));
      // A measure that ends meanwhile takes away growth that what was read does not hold yet.
      if (this.#measures === measures) return measured + this.#grownOf(handlerIds);
      if (reads === quotaLimits.reads) return measured + grownBefore;
    }
  }

  #growthOf(key: string): Growth {
    const growth = this.#growth.get(key) ?? { total: 0, measured: 0 };
    remember(this.#growth, key, growth);
    return growth;
  }

  /** Returns the bytes that handlers have stored since their last measure. */
  #grownOf(handlerIds: readonly string[]): number {
    let bytes = 0;
    for (const handlerId of handlerIds)
      for (const kind of handlerKinds) {
        const { total, measured } = this.#growth.get(`${kind} ${handlerId}`) ?? { total: 0, measured: 0 };
        bytes += total - measured;
      }
    return bytes;
  }

  async #ownerOf(handlerId: HandlerId): Promise<string | null> {
    const nowMs = this.#options.now();
    const known = this.#owners.get(handlerId);
    if (known !== undefined && nowMs < known.untilMs) return known.userId;
    const userId = await this.#stored.ownerOf(handlerId);
    if (userId !== null) remember(this.#owners, handlerId, { userId, untilMs: nowMs + quotaLimits.trustMs });
    return userId;
  }

  #mayRecount(id: string): boolean {
    const nowMs = this.#options.now();
    if (nowMs - (this.#recountedMs.get(id) ?? Number.NEGATIVE_INFINITY) < quotaLimits.recountMs) return false;
    remember(this.#recountedMs, id, nowMs);
    return true;
  }
}

/** Sets an entry in a map that keeps the newest `quotaLimits.remembered` ones. */
function remember<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= quotaLimits.remembered) return;
  const [oldest] = map.keys();
  if (oldest !== undefined) map.delete(oldest);
}

function sum(rows: readonly Pick<HandlerBytes, 'bytes'>[]): number {
  return rows.reduce((total, { bytes }) => total + bytes, 0);
}
