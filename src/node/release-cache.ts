/**
 * Keeps what is released on the node's disk, so that a node which starts while no control can be reached serves what it
 * served before. A file of SQLite, readable by its owner only: contents hold variables of functions, which may be
 * secret.
 */
import { closeSync, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import type { Released } from '../protocol/released.ts';

export class ReleaseCache {
  readonly #db: DatabaseSync;

  /** Opens the file, and makes it when it is missing. */
  constructor(file: string) {
    closeSync(openSync(file, 'a', 0o600));
    this.#db = new DatabaseSync(file);
    // A power cut may lose the last changes: a control tells them again.
    this.#db.exec(`pragma journal_mode = wal; pragma synchronous = normal;
      create table if not exists released (key text primary key, revision integer not null, content text not null);
      create table if not exists facts (name text primary key, value text not null)`);
  }

  /** Returns all entries, and the revision up to which they are complete. */
  read(): { readonly entries: ReadonlyMap<string, Released>; readonly revision: number } {
    const rows = this.#db.prepare('select key, content from released').all();
    const entries = rows.map(({ key, content }): [string, Released] => [String(key), JSON.parse(String(content))]);
    return { entries: new Map(entries), revision: Number(this.fact('revision') ?? 0) };
  }

  /** Stores changes up to `revision`; a content of null removes the entry. `whole`: removes all others. */
  write(
    rows: readonly { readonly key: string; readonly revision: number; readonly content: Released | null }[],
    revision: number,
    { whole = false }: { readonly whole?: boolean } = {},
  ): void {
    const put = this.#db.prepare('insert or replace into released (key, revision, content) values (?, ?, ?)');
    const remove = this.#db.prepare('delete from released where key = ?');
    this.#db.exec('begin');
    try {
      if (whole) this.#db.exec('delete from released');
      for (const { key, revision: at, content } of rows)
        if (content === null) remove.run(key);
        else put.run(key, at, JSON.stringify(content));
      this.setFact('revision', String(revision));
      this.#db.exec('commit');
    } catch (error) {
      this.#db.exec('rollback');
      throw error;
    }
  }

  /** Returns a stored fact; null: there is none. */
  fact(name: string): string | null {
    const row = this.#db.prepare('select value from facts where name = ?').get(name);
    return row === undefined ? null : String(row.value);
  }

  setFact(name: string, value: string): void {
    this.#db.prepare('insert or replace into facts (name, value) values (?, ?)').run(name, value);
  }

  close(): void {
    this.#db.close();
  }
}
