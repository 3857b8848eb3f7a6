/**
 * Says which control serves a repository where several controls share a database. A home lasts as long as its control
 * is alive in the table `controls`; then any other control may take the repository, with a greater epoch, if everything
 * accepted is recorded (src/control/git/repository-keeper.ts). All times are of the database's clock.
 */
import { type ExpressionBuilder, sql } from 'kysely';
import type { RepoHome } from '../../protocol/ports.ts';
import type { Database } from '../db/database.ts';
import { databaseMs, databaseMsIn } from '../db/database-clock.ts';
import type { Schema } from '../db/schema.ts';
import { HomeTable, type RepoHomeOptions } from './repo-home.ts';

/** Milliseconds for which a control that has ended stays in the table. */
const endedMs = 24 * 60 * 60_000;

/** The present home of a repository. */
export interface Home {
  readonly controlId: string;
  readonly epoch: number;
  /** Number of the last record of the repository. */
  readonly number: number;
  /** Whether everything accepted is recorded, so that another control may take over. */
  readonly isRecorded: boolean;
  /** Whether the control is alive. */
  readonly isAlive: boolean;
  /** Base URL of the control, and id of its present start; '' when it never registered itself. */
  readonly url: string;
  readonly bootId: string;
}

/** A control that has ended, as of its last registration. */
export interface LostControl {
  readonly controlId: string;
  /** Differs for each time that the control was lost. */
  readonly key: string;
}

export class LeasedHomes implements RepoHome {
  readonly self: string;
  readonly #table: HomeTable;
  readonly #db: Database;
  readonly #now: () => number;

  /** `now`: clock in Unix milliseconds, for a column that only people read. */
  constructor(options: RepoHomeOptions) {
    this.#table = new HomeTable(options);
    this.#db = options.db;
    this.self = options.self;
    this.#now = options.now;
  }

  claim(ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
    return this.#table.claim(ids);
  }

  of(ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
    return this.#table.of(ids);
  }

  forget(id: string): Promise<void> {
    return this.#table.forget(id);
  }

  /** Removes all that is stored about a removed repository, whichever control holds it. */
  async erase(id: string): Promise<void> {
    await this.#db.transaction().execute(async (trx) => {
      await trx.deleteFrom('repository_homes').where('repository_id', '=', id).execute();
      await trx.deleteFrom('repository_records').where('repository_id', '=', id).execute();
    });
  }

  /** Returns the repositories whose home is this control: id -> epoch. */
  async mine(): Promise<ReadonlyMap<string, number>> {
    const rows = await this.#db
      .selectFrom('repository_homes')
      .select(['repository_id', 'epoch'])
      .where('home', '=', this.self)
      .execute();
    return new Map(rows.map((row) => [row.repository_id, Number(row.epoch)]));
  }

  /** Returns the ids of repositories of this control that are not recorded yet. */
  async unrecorded(): Promise<readonly string[]> {
    const rows = await this.#db
      .selectFrom('repository_homes')
      .select('repository_id')
      .where('home', '=', this.self)
      .where('is_recorded', '=', 0)
      .execute();
    return rows.map((row) => row.repository_id);
  }

  /** Returns the home of a repository; null: it has none. */
  async locate(id: string): Promise<Home | null> {
    const row = await this.#db
      .selectFrom('repository_homes')
      .leftJoin('controls', 'controls.control_id', 'repository_homes.home')
      .select(['home', 'epoch', 'last_number', 'is_recorded', 'url', 'boot_id'])
      .select(sql<number>`case when expires_ms > ${databaseMs(this.#db)} then 1 else 0 end`.as('is_alive'))
      .where('repository_id', '=', id)
      .executeTakeFirst();
    if (row === undefined) return null;
    return {
      controlId: row.home,
      epoch: Number(row.epoch),
      number: Number(row.last_number),
      isRecorded: Number(row.is_recorded) === 1,
      isAlive: Number(row.is_alive) === 1,
      url: row.url ?? '',
      bootId: row.boot_id ?? '',
    };
  }

  /**
   * Takes the repository for this control if it has no home, or if its home is lost and everything accepted is
   * recorded. Returns its home after that, which may be another control. `isNew`: there are no files of it here, so a
   * repository without a home is empty, and thereby recorded.
   */
  async take(id: string, isNew: boolean): Promise<Home> {
    const known = await this.locate(id);
    if (known?.controlId === this.self) return known;
    if (known === null)
      await this.#db
        .insertInto('repository_homes')
        .values({ repository_id: id, home: this.self, claimed_ms: this.#now(), is_recorded: isNew ? 1 : 0 })
        .onConflict((oc) => oc.column('repository_id').doNothing())
        .execute();
    else if (!known.isAlive && known.isRecorded)
      await this.#db
        .updateTable('repository_homes')
        .set((eb) => ({ home: this.self, claimed_ms: this.#now(), epoch: eb('epoch', '+', 1) }))
        .where('repository_id', '=', id)
        .where('home', '=', known.controlId)
        .where('epoch', '=', known.epoch)
        .where('is_recorded', '=', 1)
        .where((eb) => this.#isLost(eb))
        .execute();
    return (await this.locate(id)) ?? this.take(id, isNew);
  }

  /** Returns the controls that have ended and still are the home of repositories. */
  async lost(): Promise<readonly LostControl[]> {
    const rows = await this.#db.reader
      .selectFrom('controls')
      .select(['control_id', 'boot_id', 'expires_ms'])
      .where('expires_ms', '<=', databaseMs(this.#db))
      .where('control_id', '!=', this.self)
      .where((eb) =>
        eb.exists(
          eb
            .selectFrom('repository_homes')
            .select('repository_id')
            .whereRef('repository_homes.home', '=', 'controls.control_id'),
        ),
      )
      .execute();
    return rows.map((row) => ({
      controlId: row.control_id,
      key: `${row.control_id} ${row.boot_id} ${row.expires_ms}`,
    }));
  }

  /** Removes controls that ended a day ago and are the home of nothing. Called periodically. */
  async prune(): Promise<void> {
    await this.#db
      .deleteFrom('controls')
      .where('expires_ms', '<', databaseMsIn(this.#db, -endedMs))
      .where((eb) =>
        eb.not(
          eb.exists(
            eb
              .selectFrom('repository_homes')
              .select('repository_id')
              .whereRef('repository_homes.home', '=', 'controls.control_id'),
          ),
        ),
      )
      .execute();
  }

  /** Condition: no living control is the home. */
  #isLost(eb: ExpressionBuilder<Schema, 'repository_homes'>) {
    return eb.not(
      eb.exists(
        eb
          .selectFrom('controls')
          .select('control_id')
          .whereRef('controls.control_id', '=', 'repository_homes.home')
          .where('controls.expires_ms', '>', databaseMs(this.#db)),
      ),
    );
  }
}
