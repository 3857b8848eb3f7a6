/**
 * Implements the port ReleaseFeed for several controls on one database. Each change is a row of the table `released`;
 * the row of the counter is locked until the commit, so revisions grow in the order of commits, and a reader that has
 * seen a revision has seen all before it. The bus only wakes followers: what is released survives the loss of NATS.
 */
import { isDeepStrictEqual } from 'node:util';
import { sql, type Transaction } from 'kysely';
import { PlatformError } from '../../protocol/errors.ts';
import type { DeploymentSpec, OwnerState } from '../../protocol/messages.ts';
import type { PlacedHandler } from '../../protocol/placement.ts';
import type { ReleaseChange, ReleaseFeed, ReleaseState } from '../../protocol/ports.ts';
import {
  changeOf,
  domainKey,
  labelKey,
  nothingOf,
  ownerKey,
  type Released,
  withoutFiles,
} from '../../protocol/released.ts';
import type { Rollout } from '../../protocol/rollouts.ts';
import { ToldReleases } from '../../protocol/told-releases.ts';
import { WakeLoop } from '../../waiting/wake-loop.ts';
import type { Sealer } from '../accounts/sealer.ts';
import type { Database } from '../db/database.ts';
import type { Schema } from '../db/schema.ts';
import type { SpecShelf } from './spec-shelf.ts';

export interface SharedReleaseFeedOptions {
  readonly db: Database;
  /** Seals what is stored: all controls of a database have the same key. */
  readonly sealer: Pick<Sealer, 'seal' | 'unseal'>;
  readonly shelf: SpecShelf;
  /** Reads from the database what every label is served with. */
  readonly read: () => Promise<ReleaseState>;
  /** Tells other controls and the nodes that there is a new revision. */
  readonly wake: (revision: number) => void;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** Takes a failure of the platform, for the platform's own log. */
  readonly report: (message: string, error: unknown) => void;
}

/** A row for nodes, with its content in clear. */
export interface ReleasedRow {
  readonly key: string;
  readonly revision: number;
  readonly content: Released | null;
}

export const feedLimits = {
  /** Milliseconds between two looks for changes of other controls, in case that no wake came. */
  lookMs: 1_000,
  /** Rows read at once. */
  rows: 200,
  /** Milliseconds for which rows are kept that a later one has replaced: followers are never as late. */
  replacedMs: 60 * 60_000,
  /** Milliseconds for which it is kept that a label is gone. A node that was away for longer reads everything. */
  goneMs: 7 * 24 * 60 * 60_000,
} as const;

const counter = 'release_revision';

export class SharedReleaseFeed implements ReleaseFeed {
  readonly #options: SharedReleaseFeedOptions;
  readonly #told = new ToldReleases();
  readonly #timer: NodeJS.Timeout;
  #revision: number;
  /** The last write: writes of one control are made one after the other, in the order of their calls. */
  #writing: Promise<unknown> = Promise.resolve();
  readonly #loop = new WakeLoop(() => this.#follow());

  private constructor(options: SharedReleaseFeedOptions, revision: number) {
    this.#options = options;
    this.#revision = revision;
    this.#timer = setInterval(() => void this.follow().catch(() => {}), feedLimits.lookMs);
    this.#timer.unref();
  }

  /** Opens the feed, which knows no label before `current` or `rebuild`. */
  static async open(options: SharedReleaseFeedOptions): Promise<SharedReleaseFeed> {
    await options.db
      .insertInto('settings')
      .values({ key: counter, value: '0' })
      .onConflict((conflict) => conflict.column('key').doNothing())
      .execute();
    return new SharedReleaseFeed(options, await newestRevision(options.db));
  }

  /** Newest revision whose changes this control has told. */
  get revision(): number {
    return this.#revision;
  }

  lookup(label: string): string | null {
    return this.#told.lookup(label);
  }

  serving(label: string): readonly string[] {
    return this.#told.serving(label);
  }

  /** Returns what the live version of `label` asks of nodes; null: nothing, or nothing is live. */
  placedOf(label: string): PlacedHandler | null {
    return this.#told.placedOf(label);
  }

  current(): Promise<ReleaseState> {
    return this.#told.read(async () => {
      const state = await this.#options.read();
      // Changes that were committed before the read and not told yet.
      await this.follow();
      return state;
    });
  }

  changes(listener: (change: ReleaseChange) => void): () => void {
    return this.#told.changes(listener);
  }

  async release(spec: DeploymentSpec, rollout: Rollout | null = null): Promise<number> {
    const { shelf } = this.#options;
    const { label } = spec;
    return this.#write(labelKey(label), async () => {
      const rolloutSpec = rollout === null ? null : await this.#specOf(label, rollout.specId);
      shelf.remove(spec.specId);
      if (rolloutSpec !== null) shelf.remove(rolloutSpec.specId);
      return {
        kind: 'release',
        ...{ label, rollout, spec: withoutFiles(spec) },
        rolloutSpec: rolloutSpec === null ? null : withoutFiles(rolloutSpec),
      };
    });
  }

  announce(label: string): Promise<number> {
    return this.#write(labelKey(label), async () => ({ kind: 'announce', label }));
  }

  redirect(label: string, to: string): Promise<number> {
    return this.#write(labelKey(label), async () => ({ kind: 'redirect', label, to }));
  }

  remove(label: string): Promise<number> {
    return this.#write(labelKey(label), async () => null);
  }

  domain(domain: string, to: string | null): Promise<number> {
    return this.#write(domainKey(domain), async () => ({ kind: 'domain', domain, to }));
  }

  owner(owner: OwnerState): Promise<number> {
    return this.#write(ownerKey(owner.ownerId), async () => ({ kind: 'owner', owner }));
  }

  /**
   * Compares the table with the tables that say what is live, and writes what differs: a control may have ended between
   * the two, and a database may have been restored. A label that another control changes meanwhile is left alone.
   */
  async rebuild(): Promise<void> {
    const before = await this.#currentContents();
    const state = await this.current();
    const specs = new Map(state.specs.map((spec) => [spec.specId, withoutFiles(spec)]));
    const wanted = new Map<string, Released>();
    for (const label of state.known) wanted.set(labelKey(label), { kind: 'announce', label });
    for (const label of state.unserved ?? []) wanted.set(labelKey(label.label), { kind: 'unserved', ...label });
    for (const moved of state.moved) wanted.set(labelKey(moved.label), { kind: 'redirect', ...moved });
    for (const { label, specId, rollout = null } of state.releases) {
      const spec = specs.get(specId);
      const rolloutSpec = rollout === null ? null : (specs.get(rollout.specId) ?? null);
      if (spec !== undefined)
        wanted.set(labelKey(label), {
          kind: 'release',
          ...{ label, spec, rolloutSpec, rollout: rolloutSpec === null ? null : rollout },
        });
    }
    for (const served of state.domains) wanted.set(domainKey(served.domain), { kind: 'domain', ...served });
    for (const owner of state.owners) wanted.set(ownerKey(owner.ownerId), { kind: 'owner', owner });
    for (const key of new Set([...before.keys(), ...wanted.keys()])) {
      const known = before.get(key);
      const content = wanted.get(key) ?? null;
      // A User without limits needs no entry, and an entry without limits says the same.
      if (content === null && (known?.content ?? null) === null) continue;
      const right = content ?? nothingOf(known?.content ?? null);
      if (isSame(known?.content ?? null, right)) continue;
      await this.#write(key, async () => right, known?.revision ?? 0);
    }
  }

  /**
   * Returns rows above `after` that no later one has replaced, at most `rows`, oldest first, for a node. `revision`:
   * the one up to which the node knows everything with them. It is less than `after` when the database has been
   * restored to an earlier state.
   */
  async rowsAfter(
    after: number,
  ): Promise<{ readonly rows: readonly ReleasedRow[]; readonly more: boolean; readonly revision: number }> {
    // Read before the rows: all rows up to it are committed, because a writer holds the counter until its commit.
    const newest = await newestRevision(this.#options.db);
    const found = await this.#options.db
      .selectFrom('released')
      .select(['key', 'revision', 'content'])
      .where('revision', '>', after)
      .where('is_current', '=', 1)
      .orderBy('revision')
      .limit(feedLimits.rows + 1)
      .execute();
    const rows = found.slice(0, feedLimits.rows).map((row) => ({ ...row, content: this.#unsealed(row) }));
    const more = found.length > feedLimits.rows;
    const last = rows.at(-1)?.revision ?? 0;
    return { rows, more, revision: more ? last : Math.max(newest, last) };
  }

  /** Removes rows that no follower needs any more. Called periodically. */
  async prune(): Promise<void> {
    const nowMs = this.#options.now();
    await this.#options.db
      .deleteFrom('released')
      .where((eb) =>
        eb.or([
          eb.and([eb('is_current', '=', 0), eb('changed_ms', '<', nowMs - feedLimits.replacedMs)]),
          eb.and([eb('content', 'is', null), eb('changed_ms', '<', nowMs - feedLimits.goneMs)]),
        ]),
      )
      .execute();
  }

  /**
   * Tells the changes that are stored and not told yet. Resolves when all that were stored before the call are told.
   */
  follow(): Promise<void> {
    return this.#loop.wake();
  }

  /** Ends following; waits for a write in progress. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    const closed = this.#loop.close();
    await this.#writing.catch(() => {});
    await closed;
  }

  async #follow(): Promise<void> {
    for (let more = true; more; ) {
      const rows = await this.#options.db
        .selectFrom('released')
        .select(['key', 'revision', 'content'])
        .where('revision', '>', this.#revision)
        .orderBy('revision')
        .limit(feedLimits.rows)
        .execute();
      more = rows.length === feedLimits.rows;
      for (const row of rows) this.#tell(row.key, row.revision, this.#unsealed(row));
    }
  }

  #tell(key: string, revision: number, content: Released | null): void {
    this.#revision = revision;
    const change = changeOf(key, revision, content);
    if (change !== null) this.#told.tell(change);
  }

  /**
   * Stores a change and tells it. `expected`: revision that the key must have had until now; nothing is stored when
   * another control has changed it meanwhile. Returns the change's revision.
   */
  #write(key: string, make: () => Promise<Released | null>, expected?: number): Promise<number> {
    const { db, sealer, now, wake } = this.#options;
    const write = async (): Promise<number> => {
      const content = await make();
      const sealed = content === null ? null : sealer.seal(['released', key], JSON.stringify(content));
      const revision = await db.transaction().execute(async (trx) => {
        const next = await nextRevision(trx);
        if (expected !== undefined && expected !== (await currentRevision(trx, key))) return next;
        await trx
          .updateTable('released')
          .set({ is_current: 0 })
          .where('key', '=', key)
          .where('is_current', '=', 1)
          .execute();
        await trx
          .insertInto('released')
          .values({ revision: next, key, is_current: 1, content: sealed, changed_ms: now() })
          .execute();
        return next;
      });
      wake(revision);
      await this.follow();
      return revision;
    };
    const written = this.#writing.then(write, write);
    this.#writing = written;
    return written;
  }

  /** Returns a spec that is prepared or part of the label's entry. Throws Error when it is neither. */
  async #specOf(label: string, specId: string): Promise<DeploymentSpec> {
    const prepared = this.#options.shelf.get(specId);
    if (prepared !== undefined) return prepared;
    const key = labelKey(label);
    const row = await this.#options.db
      .selectFrom('released')
      .select(['key', 'content'])
      .where('key', '=', key)
      .where('is_current', '=', 1)
      .executeTakeFirst();
    const content = row === undefined ? null : this.#unsealed(row);
    if (content?.kind === 'release')
      for (const spec of [content.spec, content.rolloutSpec]) if (spec?.specId === specId) return spec;
    throw new Error(`the spec ${specId} is not prepared`);
  }

  async #currentContents(): Promise<Map<string, { readonly revision: number; readonly content: Released | null }>> {
    const rows = await this.#options.db
      .selectFrom('released')
      .select(['key', 'revision', 'content'])
      .where('is_current', '=', 1)
      .execute();
    return new Map(rows.map((row) => [row.key, { revision: row.revision, content: this.#unsealed(row) }]));
  }

  #unsealed({ key, content }: { readonly key: string; readonly content: string | null }): Released | null {
    if (content === null) return null;
    try {
      // Sealed by a control of this platform.
      return JSON.parse(this.#options.sealer.unseal(['released', key], content).toString()) as Released;
    } catch (cause) {
      throw new PlatformError('internal', 'what is released cannot be read: it was sealed with another key', {
        hints: ['all controls of one database need the same env.key in their data folders'],
        cause,
      });
    }
  }
}

/** Whether two contents are the same as JSON. */
function isSame(one: Released | null, other: Released | null): boolean {
  return isDeepStrictEqual(JSON.parse(JSON.stringify(one)), JSON.parse(JSON.stringify(other)));
}

async function newestRevision(db: Database): Promise<number> {
  const row = await db.selectFrom('settings').select('value').where('key', '=', counter).executeTakeFirst();
  return Number(row?.value ?? 0);
}

/** Takes the next revision. The counter stays locked until the transaction ends. */
async function nextRevision(trx: Transaction<Schema>): Promise<number> {
  const { value } = await trx
    .updateTable('settings')
    .set({ value: sql<string>`cast(cast(value as bigint) + 1 as text)` })
    .where('key', '=', counter)
    .returning('value')
    .executeTakeFirstOrThrow();
  return Number(value);
}

async function currentRevision(trx: Transaction<Schema>, key: string): Promise<number> {
  const row = await trx
    .selectFrom('released')
    .select('revision')
    .where('key', '=', key)
    .where('is_current', '=', 1)
    .executeTakeFirst();
  return row?.revision ?? 0;
}
