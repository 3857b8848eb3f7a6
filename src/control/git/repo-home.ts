/**
 * Stores which control holds a repository, in the table `repository_homes`. A repository is on one control's disk, so
 * the control that claimed it first keeps it; another control refuses its pushes and fetches.
 */
import { PlatformError } from '../../protocol/errors.ts';
import type { RepoHome } from '../../protocol/ports.ts';
import type { Database } from '../db/database.ts';

/** Repositories in one statement, each of which is a parameter. */
const namedAtOnce = 300;

export class SqlRepoHome implements RepoHome {
  readonly self: string;
  readonly #db: Database;
  readonly #now: () => number;
  /** Repositories that this control is known to hold: that never changes, so it is read once. */
  readonly #mine = new Set<string>();

  /** Makes the port of one control. `self`: id of its data folder. `now`: clock in Unix milliseconds. */
  constructor(options: { readonly db: Database; readonly self: string; readonly now: () => number }) {
    this.#db = options.db;
    this.self = options.self;
    this.#now = options.now;
  }

  async claim(ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const homes = new Map(ids.filter((id) => this.#mine.has(id)).map((id) => [id, this.self]));
    const asked = ids.filter((id) => !this.#mine.has(id));
    for (let at = 0; at < asked.length; at += namedAtOnce) {
      const some = asked.slice(at, at + namedAtOnce);
      const known = await this.#homesOf(some);
      const free = some.filter((id) => !known.has(id));
      for (const [id, home] of known) homes.set(id, home);
      if (free.length === 0) continue;
      await this.#db
        .insertInto('repository_homes')
        .values(free.map((id) => ({ repository_id: id, home: this.self, claimed_ms: this.#now() })))
        .onConflict((oc) => oc.column('repository_id').doNothing())
        .execute();
      // Another control may have claimed some of them first.
      for (const [id, home] of await this.#homesOf(free)) homes.set(id, home);
    }
    for (const [id, home] of homes) if (home === this.self) this.#mine.add(id);
    return homes;
  }

  async of(ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const homes = new Map<string, string>();
    for (let at = 0; at < ids.length; at += namedAtOnce)
      for (const [id, home] of await this.#homesOf(ids.slice(at, at + namedAtOnce))) homes.set(id, home);
    return homes;
  }

  async forget(id: string): Promise<void> {
    this.#mine.delete(id);
    await this.#db
      .deleteFrom('repository_homes')
      .where('repository_id', '=', id)
      .where('home', '=', this.self)
      .execute();
  }

  async #homesOf(ids: readonly string[]): Promise<Map<string, string>> {
    const rows = await this.#db
      .selectFrom('repository_homes')
      .select(['repository_id', 'home'])
      .where('repository_id', 'in', ids)
      .execute();
    return new Map(rows.map(({ repository_id, home }) => [repository_id, home]));
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
