/**
 * Stores which control holds a repository, in the table `repository_homes`. A repository is on one control's disk, so
 * the control that claimed it first keeps it; another control refuses its pushes and fetches.
 */
import { PlatformError } from '../../protocol/errors.ts';
import type { RepoHome } from '../../protocol/ports.ts';
import type { Database } from '../db/database.ts';

/** Repositories in one statement, each of which is a parameter. */
const namedAtOnce = 300;

export interface RepoHomeOptions {
  readonly db: Database;
  /** Id of this control's data folder. */
  readonly self: string;
  /** Clock in Unix milliseconds. */
  readonly now: () => number;
}

/** Rows of the table, as both versions of the port read and write them. */
export class HomeTable implements RepoHome {
  readonly self: string;
  readonly #db: Database;
  readonly #now: () => number;

  constructor(options: RepoHomeOptions) {
    this.#db = options.db;
    this.self = options.self;
    this.#now = options.now;
  }

  async claim(ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const homes = new Map(await this.of(ids));
    // Sorted: two controls that claim the same repositories in different orders would wait for each other's rows.
    const free = ids.filter((id) => !homes.has(id)).toSorted();
    for (let at = 0; at < free.length; at += namedAtOnce)
      await this.#db
        .insertInto('repository_homes')
        .values(
          free
            .slice(at, at + namedAtOnce)
            .map((id) => ({ repository_id: id, home: this.self, claimed_ms: this.#now() })),
        )
        .onConflict((oc) => oc.column('repository_id').doNothing())
        .execute();
    // Another control may have claimed some of them first.
    for (const [id, home] of await this.of(free)) homes.set(id, home);
    return homes;
  }

  async of(ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const homes = new Map<string, string>();
    for (let at = 0; at < ids.length; at += namedAtOnce) {
      const rows = await this.#db
        .selectFrom('repository_homes')
        .select(['repository_id', 'home'])
        .where('repository_id', 'in', ids.slice(at, at + namedAtOnce))
        .execute();
      for (const row of rows) homes.set(row.repository_id, row.home);
    }
    return homes;
  }

  async forget(id: string): Promise<void> {
    await this.#db
      .deleteFrom('repository_homes')
      .where('repository_id', '=', id)
      .where('home', '=', this.self)
      .execute();
  }
}

/** The port where a repository stays with the control that has claimed it. */
export class SqlRepoHome implements RepoHome {
  readonly self: string;
  readonly #table: HomeTable;
  /** Repositories that this control is known to hold: that never changes, so it is read once. */
  readonly #mine = new Set<string>();

  constructor(options: RepoHomeOptions) {
    this.self = options.self;
    this.#table = new HomeTable(options);
  }

  async claim(ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const homes = new Map(ids.filter((id) => this.#mine.has(id)).map((id) => [id, this.self]));
    for (const [id, home] of await this.#table.claim(ids.filter((id) => !this.#mine.has(id)))) {
      homes.set(id, home);
      if (home === this.self) this.#mine.add(id);
    }
    return homes;
  }

  of(ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
    return this.#table.of(ids);
  }

  async forget(id: string): Promise<void> {
    this.#mine.delete(id);
    await this.#table.forget(id);
  }
}

/** Claims a repository for this control. Throws `conflict` where another control holds it. */
export async function claimHere(home: RepoHome, id: string): Promise<void> {
  const holder = (await home.claim([id])).get(id);
  if (holder === home.self) return;
  throw new PlatformError('conflict', 'the repository of this handler lies on another server of this platform', {
    hints: ['push to, and fetch from, the server that took its first push'],
  });
}
