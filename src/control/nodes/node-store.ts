/** The nodes that may join a cluster, with the hashes of their tokens. */
import { PlatformError } from '../../protocol/errors.ts';
import { hashSecret, newId, type RandomBytes } from '../accounts/secrets.ts';
import type { Database } from '../db/database.ts';
import { lockPlatform } from '../db/row-locks.ts';
import { isUniqueViolation } from '../db/sql-error.ts';

export interface NodeRow {
  readonly id: string;
  readonly name: string;
  readonly epoch: number;
  readonly createdMs: number;
  readonly joinedMs: number | null;
}

/** Greatest number of nodes. Each one is a consumer in NATS, and says every second that it lives. */
const nodesMax = 1_000;
/** Milliseconds for which a token that was found valid is not looked up again. */
const knownMs = 1_000;

const namePattern = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

export class NodeStore {
  readonly #db: Database;
  readonly #now: () => number;
  readonly #randomBytes: RandomBytes;
  readonly #nodesMax: number;
  /** Valid tokens by hash, with the time of the look-up. */
  readonly #known = new Map<string, { readonly row: NodeRow; readonly atMs: number }>();

  /** `nodesMax`: greatest number of nodes; 1,000 unless told. */
  constructor(options: {
    readonly db: Database;
    readonly now: () => number;
    readonly randomBytes: RandomBytes;
    readonly nodesMax?: number;
  }) {
    this.#nodesMax = options.nodesMax ?? nodesMax;
    this.#db = options.db;
    this.#now = options.now;
    this.#randomBytes = options.randomBytes;
  }

  /** Adds a node. Returns its token, which is not stored. Throws `name_invalid`, `name_taken`, `limit_exceeded`. */
  async add(name: string): Promise<{ readonly id: string; readonly token: string }> {
    if (!namePattern.test(name))
      throw new PlatformError('name_invalid', `${JSON.stringify(name.slice(0, 60))} cannot name a node`, {
        hints: ['a name has 1 to 63 of a-z, 0-9 and hyphens inside, for example eu-1'],
      });
    const id = newId('n', this.#randomBytes);
    const token = `tn_${Buffer.from(this.#randomBytes(32)).toString('base64url')}`;
    try {
      await this.#db.transaction().execute(async (trx) => {
        await lockPlatform(trx, 'nodes');
        const { count } = await trx
          .selectFrom('nodes')
          .select((eb) => eb.fn.countAll<number | string>().as('count'))
          .executeTakeFirstOrThrow();
        if (Number(count) >= this.#nodesMax)
          throw new PlatformError('limit_exceeded', `there are ${count} nodes, and no more are possible`, {
            hints: ['remove one that is gone: wasmcloud nodes remove NAME'],
          });
        await trx
          .insertInto('nodes')
          .values({ id, name, token_hash: hashSecret(token), epoch: 0, created_ms: this.#now(), joined_ms: null })
          .execute();
      });
    } catch (error) {
      if (!isUniqueViolation(error)) throw error;
      throw new PlatformError('name_taken', `there is a node ${name} already`, {
        hints: [`remove it first: wasmcloud nodes remove ${name}`],
      });
    }
    return { id, token };
  }

  /** Returns all nodes by name. */
  async list(): Promise<readonly NodeRow[]> {
    return (await this.#db.selectFrom('nodes').selectAll().orderBy('name').execute()).map(rowOf);
  }

  /** Returns the node `name`. Throws `not_found`. */
  async find(name: string): Promise<NodeRow> {
    const row = await this.#db.selectFrom('nodes').selectAll().where('name', '=', name).executeTakeFirst();
    if (row !== undefined) return rowOf(row);
    throw new PlatformError('not_found', `there is no node ${name}`, { hints: ['see what there is: wasmcloud nodes'] });
  }

  /** Removes a node: its token is refused from now on, by other controls after a second. Throws `not_found`. */
  async remove(name: string): Promise<NodeRow> {
    const row = await this.find(name);
    await this.#db.deleteFrom('nodes').where('id', '=', row.id).execute();
    this.#known.clear();
    return row;
  }

  /** Returns the node that a token belongs to; null: the token is not valid. */
  async byToken(token: string): Promise<NodeRow | null> {
    if (!/^tn_[A-Za-z0-9_-]{43}$/.test(token)) return null;
    const hash = hashSecret(token);
    const nowMs = performance.now();
    const known = this.#known.get(hash);
    if (known !== undefined && nowMs - known.atMs < knownMs) return known.row;
    const row = await this.#db.selectFrom('nodes').selectAll().where('token_hash', '=', hash).executeTakeFirst();
    if (row === undefined) {
      this.#known.delete(hash);
      return null;
    }
    this.#known.set(hash, { row: rowOf(row), atMs: nowMs });
    return rowOf(row);
  }

  /** Notes that a node joins. Returns its epoch, greater than those before; null: the node has been removed. */
  async join(id: string): Promise<number | null> {
    this.#known.clear();
    const row = await this.#db
      .updateTable('nodes')
      .set((eb) => ({ epoch: eb('epoch', '+', 1), joined_ms: this.#now() }))
      .where('id', '=', id)
      .returning('epoch')
      .executeTakeFirst();
    return row?.epoch ?? null;
  }
}

function rowOf(row: {
  readonly id: string;
  readonly name: string;
  readonly epoch: number;
  readonly created_ms: number;
  readonly joined_ms: number | null;
}): NodeRow {
  return { id: row.id, name: row.name, epoch: row.epoch, createdMs: row.created_ms, joinedMs: row.joined_ms };
}
