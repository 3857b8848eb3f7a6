/**
 * Contents in the database, which every control can read: what a push has stored here outlives the disk of the control
 * that took it. Each content is a row of `blobs` and its bytes in rows of `blob_pieces`, written in one transaction.
 */
import { createHash } from 'node:crypto';
import { PlatformError } from '../../protocol/errors.ts';
import { KIB } from '../../protocol/limits.ts';
import type { Blobs } from '../../protocol/ports.ts';
import { Semaphore } from '../../waiting/semaphore.ts';
import type { Database } from '../db/database.ts';
import { databaseMs, databaseMsIn } from '../db/database-clock.ts';

export const blobLimits = {
  /** Bytes of a piece: a backup holds 500 rows in memory at once. */
  pieceBytes: 64 * KIB,
  /** Pieces in one statement: 1 MiB, which takes a server far less than the bound of a statement. */
  pieces: 16,
  /** Contents that are written at once, each with a connection: others are left for everything else. */
  writes: 3,
  /**
   * Milliseconds after it was last stored for which a content is not removed: a push on another control may be about to
   * refer to it, which takes a push at most 15 minutes.
   */
  youngMs: 60 * 60_000,
} as const;

export class DatabaseBlobs implements Blobs {
  readonly #db: Database;
  readonly #youngMs: number;
  readonly #turns: Semaphore;
  /** Contents that were found damaged, and that the next `put` replaces. */
  readonly #damaged = new Set<string>();

  /** `youngMs`: blobLimits.youngMs by default. */
  constructor(options: { readonly db: Database; readonly youngMs?: number }) {
    this.#db = options.db;
    this.#youngMs = options.youngMs ?? blobLimits.youngMs;
    this.#turns = new Semaphore({
      running: blobLimits.writes,
      waiting: 256,
      full: () => new PlatformError('overloaded', 'too many contents are being stored; try again shortly'),
    });
  }

  async get(name: string): Promise<Uint8Array> {
    const pieces: Uint8Array[] = [];
    for await (const piece of this.read(name)) pieces.push(piece);
    return Buffer.concat(pieces);
  }

  /**
   * Yields the bytes of a content in pieces, in constant memory. Throws `not_found` when there is none, and `internal`
   * at the end when the bytes do not match their checksum: the caller uses nothing before the end.
   */
  async *read(name: string): AsyncGenerator<Buffer> {
    const { reader } = this.#db;
    const row = await reader.selectFrom('blobs').select('sha256').where('name', '=', name).executeTakeFirst();
    if (row === undefined) throw new PlatformError('not_found', `no content ${name} in the database`);
    const hash = createHash('sha256');
    for (let position = 0; ; ) {
      const pieces = await reader
        .selectFrom('blob_pieces')
        .select('bytes')
        .where('name', '=', name)
        .where('position', '>=', position)
        .orderBy('position')
        .limit(blobLimits.pieces)
        .execute();
      for (const { bytes } of pieces) {
        hash.update(bytes);
        yield Buffer.from(bytes);
      }
      if (pieces.length < blobLimits.pieces) break;
      position += pieces.length;
    }
    if (hash.digest('hex') === row.sha256) return;
    this.#damaged.add(name);
    throw new PlatformError('internal', `the content ${name} is damaged in the database`);
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    await this.write(name, [bytes]);
  }

  /**
   * Stores the bytes of `source` under `name`, in constant memory; a content that is there stays and counts as young.
   */
  async write(name: string, source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> {
    const leave = await this.#turns.enter();
    try {
      if (this.#damaged.has(name)) await this.#db.deleteFrom('blobs').where('name', '=', name).execute();
      this.#damaged.delete(name);
      // A content that is removed between the two statements is stored by the next round.
      while (!(await this.#touch(name))) if (await this.#insert(name, source)) return;
    } finally {
      leave();
    }
  }

  async has(name: string): Promise<boolean> {
    if (this.#damaged.has(name)) return false;
    const row = await this.#db.selectFrom('blobs').select('name').where('name', '=', name).executeTakeFirst();
    return row !== undefined;
  }

  async list(): Promise<readonly string[]> {
    return (await this.#db.reader.selectFrom('blobs').select('name').execute()).map(({ name }) => name);
  }

  /** Removes a content, unless it is young. The caller makes sure that nothing refers to it. */
  async remove(name: string): Promise<void> {
    const before = databaseMsIn(this.#db, -this.#youngMs);
    await this.#db.deleteFrom('blobs').where('name', '=', name).where('touched_ms', '<=', before).execute();
  }

  /** Makes a content young again. Returns false when there is none. */
  async #touch(name: string): Promise<boolean> {
    const { numUpdatedRows } = await this.#db
      .updateTable('blobs')
      .set({ touched_ms: databaseMs(this.#db) })
      .where('name', '=', name)
      .executeTakeFirst();
    return numUpdatedRows > 0n;
  }

  /** Returns false, and reads nothing of `source`, when another writer was first. */
  async #insert(name: string, source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<boolean> {
    return this.#db.transaction().execute(async (trx) => {
      // Waits for a writer of the same content on any control.
      const row = await trx
        .insertInto('blobs')
        .values({ name, bytes: 0, sha256: '', touched_ms: databaseMs(this.#db) })
        .onConflict((oc) => oc.column('name').doNothing())
        .returning('name')
        .executeTakeFirst();
      if (row === undefined) return false;
      const hash = createHash('sha256');
      let total = 0;
      let position = 0;
      let rows: { name: string; position: number; bytes: Uint8Array }[] = [];
      const store = async (): Promise<void> => {
        if (rows.length > 0) await trx.insertInto('blob_pieces').values(rows).execute();
        rows = [];
      };
      for await (const bytes of pieces(source)) {
        hash.update(bytes);
        total += bytes.length;
        rows.push({ name, position, bytes });
        position += 1;
        if (rows.length === blobLimits.pieces) await store();
      }
      await store();
      const facts = { bytes: total, sha256: hash.digest('hex') };
      await trx.updateTable('blobs').set(facts).where('name', '=', name).execute();
      return true;
    });
  }
}

/** Cuts bytes into pieces of blobLimits.pieceBytes; the last one may be shorter. */
async function* pieces(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of source) {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
    let at = 0;
    for (; rest.length - at >= blobLimits.pieceBytes; at += blobLimits.pieceBytes)
      yield rest.subarray(at, at + blobLimits.pieceBytes);
    rest = rest.subarray(at);
  }
  if (rest.length > 0) yield rest;
}
