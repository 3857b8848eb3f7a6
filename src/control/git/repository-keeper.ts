/**
 * Keeps the repositories of several controls on one database. Each accepted push is recorded in the database: the refs
 * that it moved, and a pack of its objects. The record is written in the transaction that makes the Release, so what
 * was accepted is never lost with a disk. The record is the truth, and a repository on a disk is a copy of it: a
 * control that takes a repository over stores the packs that it lacks and sets the refs, and so does one whose push
 * could not be recorded.
 */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Transaction } from 'kysely';
import { PlatformError } from '../../protocol/errors.ts';
import type { RefUpdate } from '../../protocol/push.ts';
import { KeyedMutex } from '../../waiting/keyed-mutex.ts';
import type { Database } from '../db/database.ts';
import type { Schema } from '../db/schema.ts';
import type { Home, LeasedHomes } from './leased-homes.ts';
import { missingObjects, type PackOptions, storePack, writePack } from './packs.ts';
import { type Refs, readIfThere, readRefs } from './ref-files.ts';
import { noCopy, readCopy, setRefs, writeCopy } from './repository-copy.ts';
import { type MovedRefs, mergedRefs, pinPrefix, readPins, readRecords } from './repository-records.ts';

export const keeperLimits = {
  /** Records after a base that are folded into a new base: a control that takes over stores each of their packs. */
  steps: 20,
} as const;

/** End of the names of packs among all contents. */
export const packSuffix = '-pack';

/** Packs that all controls can read. */
export interface SharedPacks {
  write(name: string, source: AsyncIterable<Uint8Array>): Promise<void>;
  /** Throws `not_found`, or `internal` at the end of a damaged content. */
  read(name: string): AsyncIterable<Uint8Array>;
}

/** Records pushes: the part of the keeper that the transaction of a Release calls. */
export interface PushRecords {
  /** Records the prepared push of a repository in `trx`. Throws `conflict` when another control has taken over. */
  write(trx: Transaction<Schema>, repositoryId: string): Promise<void>;
}

export interface RepositoryKeeperOptions {
  readonly db: Database;
  readonly homes: Pick<LeasedHomes, 'self' | 'mine' | 'take' | 'locate' | 'erase'>;
  readonly packs: SharedPacks;
  /** Environment of git. */
  readonly environment: Readonly<Record<string, string>>;
  /** Folder for packs that are being written; created when needed. */
  readonly spoolFolder: string;
  /** Takes a failure of the platform, for the platform's own log. */
  readonly report: (message: string, error: unknown) => void;
}

/** Where a repository lies, and how it is made. */
export interface KeptRepository {
  readonly id: string;
  readonly path: string;
  /** Makes an empty repository unless there is one. */
  readonly make: () => Promise<void>;
}

/** A push that git has accepted, and that is not recorded yet. */
interface Pending {
  readonly push: string;
  readonly epoch: number;
  readonly refs: MovedRefs;
  readonly shallow: string;
  readonly blob: string | null;
}

export class RepositoryKeeper implements PushRecords {
  readonly #options: RepositoryKeeperOptions;
  readonly #locks = new KeyedMutex();
  /** Epoch under which the copy on this disk was found to agree with the record, by repository. */
  readonly #ready = new Map<string, number>();
  /** Repositories whose home is this control, as far as is known. */
  readonly #held = new Set<string>();
  /** Epoch under which what an earlier home had begun was settled, by repository. */
  readonly #settled = new Map<string, number>();
  #settle: (id: string) => Promise<void> = async () => {};
  /** Pushes between `prepare` and their record, by repository. */
  readonly #pending = new Map<string, Pending>();
  /** Foldings of records into a new base that run. */
  readonly #folding = new Set<Promise<void>>();

  private constructor(options: RepositoryKeeperOptions) {
    this.#options = options;
  }

  /** Reads which repositories are this control's. */
  static async open(options: RepositoryKeeperOptions): Promise<RepositoryKeeper> {
    const keeper = new RepositoryKeeper(options);
    for (const [id, epoch] of await options.homes.mine()) {
      keeper.#held.add(id);
      // The start of control settles what its own earlier start had begun.
      keeper.#settled.set(id, epoch);
    }
    return keeper;
  }

  /**
   * Sets what is called with each repository that this control takes over, before it serves it: it finishes or fails
   * what the earlier home had begun.
   */
  onTaken(settle: (id: string) => Promise<void>): void {
    this.#settle = settle;
  }

  /** Takes a repository over if its home is lost, and settles what the lost home had begun. */
  async takeOver(id: string): Promise<void> {
    await this.#locks.run(id, async () => {
      const home = await this.#options.homes.take(id, false);
      if (home.controlId === this.#options.homes.self) await this.#settleOnce(id, home);
    });
  }

  /** Returns whether this control is the home of a repository, as far as is known. */
  holds(id: string): boolean {
    return this.#held.has(id);
  }

  /**
   * Makes the copy on this disk agree with the record, and takes the repository if no living control has it. Resolves
   * at once when that is known already. Throws `conflict` where another control has it.
   */
  async ready(repository: KeptRepository): Promise<void> {
    const { id, path } = repository;
    const home = await this.#take(id, path);
    if (this.#ready.get(id) === home.epoch && existsSync(path)) return;
    await this.#locks.run(id, async () => {
      const now = await this.#take(id, path);
      if (this.#ready.get(id) === now.epoch && existsSync(path)) return;
      await this.#settleOnce(id, now);
      const isThere = existsSync(path);
      await repository.make();
      if (now.isRecorded) await this.#renew(repository, now, isThere);
      else await this.#recordAll(repository, now);
      this.#ready.set(id, now.epoch);
    });
  }

  /** Returns the recorded refs: name -> object id; null when pushes of this repository are not recorded yet. */
  async refs(id: string): Promise<Refs | null> {
    const home = await this.#options.homes.locate(id);
    if (home?.isRecorded !== true) return null;
    return mergedRefs(await readRecords(this.#options.db, id));
  }

  /** Notes that git may move refs from now on, in a push to a repository that is ready. */
  async begin({ path }: Pick<KeptRepository, 'path'>): Promise<void> {
    await writeCopy(path, { ...(await readCopy(path)), isClean: false });
  }

  /**
   * Packs the objects that a push has brought and stores them where all controls can read them, after git has moved the
   * refs. The push is not recorded yet: `write` or `commit` does that. Throws `conflict` where this control has
   * lost the repository.
   */
  async prepare({ id, path }: KeptRepository, updates: readonly RefUpdate[]): Promise<void> {
    const epoch = this.#ready.get(id);
    if (epoch === undefined) throw elsewhere();
    const after = await readRefs(path);
    const moved = new Set(updates.map(({ ref }) => ref));
    const refs = Object.fromEntries([...moved].map((ref) => [ref, after.get(ref) ?? null]));
    const wanted = [...new Set(Object.values(refs).filter((oid) => oid !== null))];
    // Pins are of this disk: a Deployment that has failed keeps its own, and no record has what only they lead to.
    const isRecorded = (ref: string): boolean => !moved.has(ref) && !ref.startsWith(pinPrefix);
    const others = [...after].filter(([ref]) => isRecorded(ref)).map(([, oid]) => oid);
    const before = updates.flatMap(({ old }) => old ?? []);
    const blob = wanted.length === 0 ? null : await this.#pack(path, wanted, [...others, ...before]);
    const shallow = await readIfThere(join(path, 'shallow'));
    this.#pending.set(id, { push: randomBytes(12).toString('hex'), epoch, refs, shallow, blob });
  }

  /**
   * Records the prepared push of a repository in the transaction `trx`; does nothing when there is none, or when it is
   * recorded. Throws `conflict` when another control has taken the repository over, so that nothing of `trx` happens.
   */
  async write(trx: Transaction<Schema>, id: string): Promise<void> {
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    const { push, epoch, refs, shallow, blob } = pending;
    const known = trx.selectFrom('repository_records').select('number').where('repository_id', '=', id);
    if ((await known.where('push', '=', push).executeTakeFirst()) !== undefined) return;
    const home = await trx
      .updateTable('repository_homes')
      .set((eb) => ({ last_number: eb('last_number', '+', 1) }))
      .where('repository_id', '=', id)
      .where('home', '=', this.#options.homes.self)
      .where('epoch', '=', epoch)
      .returning('last_number')
      .executeTakeFirst();
    if (home === undefined) throw elsewhere();
    const row = { repository_id: id, number: Number(home.last_number), is_base: 0, push, shallow, blob };
    await trx
      .insertInto('repository_records')
      .values({ ...row, refs: JSON.stringify(refs) })
      .execute();
  }

  /** Records the prepared push unless a Release has done so. Throws `conflict` as `write` does, and SqlError. */
  async commit(repository: KeptRepository): Promise<void> {
    const { id, path } = repository;
    const push = this.#pending.get(id)?.push;
    if (push === undefined) return;
    const { db } = this.#options;
    await db.transaction().execute((trx) => this.write(trx, id));
    this.#pending.delete(id);
    try {
      const rows = db.selectFrom('repository_records').select('number').where('repository_id', '=', id);
      const row = await rows.where('push', '=', push).executeTakeFirstOrThrow();
      await writeCopy(path, { number: Number(row.number), push, isClean: true });
      const { count } = await db
        .selectFrom('repository_records')
        .select(({ fn }) => fn.countAll<number>().as('count'))
        .where('repository_id', '=', id)
        .executeTakeFirstOrThrow();
      if (Number(count) > keeperLimits.steps) this.#foldLater(repository);
    } catch (error) {
      // The push is recorded and has happened. The copy counts as not clean, so the next start compares it with the
      // record.
      this.#options.report(`what follows the record of a push to ${id} failed`, error);
    }
  }

  /**
   * Forgets a push that could not be recorded, or that git has not ended well. The next `ready` sets the refs back to
   * the record.
   */
  async giveUp({ id, path }: KeptRepository): Promise<void> {
    this.#pending.delete(id);
    if (existsSync(path)) await this.begin({ path });
    this.#ready.delete(id);
  }

  /** Forgets a removed repository, on every control. */
  async forget(id: string): Promise<void> {
    this.#pending.delete(id);
    this.#ready.delete(id);
    this.#settled.delete(id);
    this.#held.delete(id);
    await this.#options.homes.erase(id);
  }

  /** Waits for records that are being folded. */
  async close(): Promise<void> {
    await Promise.all(this.#folding);
  }

  async #take(id: string, path: string): Promise<Home> {
    const { homes } = this.#options;
    const home = await homes.take(id, !existsSync(path));
    if (home.controlId === homes.self) {
      this.#held.add(id);
      return home;
    }
    this.#held.delete(id);
    this.#ready.delete(id);
    throw elsewhere();
  }

  /**
   * Settles what an earlier home had begun, once: later, Deployments that are staged are those of pushes that run here.
   */
  async #settleOnce(id: string, { epoch }: Home): Promise<void> {
    this.#held.add(id);
    if (this.#settled.get(id) === epoch) return;
    await this.#settle(id);
    this.#settled.set(id, epoch);
  }

  /** Stores the packs that the copy lacks, and sets its refs to those of the record. */
  async #renew({ id, path }: KeptRepository, home: Home, isThere: boolean): Promise<void> {
    const records = await readRecords(this.#options.db, id);
    const last = records.at(-1);
    const found = isThere ? await readCopy(path) : noCopy;
    const same = records.find(({ number, push }) => Number(number) === found.number && push === found.push);
    // A copy of a record that is not among them: of one that was folded away, or of another database.
    const copy = same === undefined ? noCopy : found;
    if (copy.isClean && copy.number === home.number) return;
    await writeCopy(path, { ...copy, isClean: false });
    const base = Number(records[0]?.number ?? 0);
    for (const { number, blob } of records)
      if (blob !== null && (Number(number) > copy.number || copy.number < base))
        await storePack({ ...this.#at(path), chunks: this.#options.packs.read(blob) });
    const refs = new Map(mergedRefs(records));
    const shallow = last?.shallow ?? '';
    if (shallow === '') await rm(join(path, 'shallow'), { force: true });
    else await writeFile(join(path, 'shallow'), shallow, { mode: 0o600 });
    const pins = await readPins(this.#options.db, id);
    const oids = [...new Set([...refs.values(), ...pins.values()])];
    const missing = await missingObjects({ ...this.#at(path), oids });
    const lost = [...refs].find(([, oid]) => missing.has(oid));
    if (lost !== undefined)
      throw new PlatformError('internal', `the record of repository ${id} lacks the object of ${lost[0]}`);
    for (const [pin, oid] of pins) if (!missing.has(oid)) refs.set(pin, oid);
    await setRefs(path, refs);
    await this.#setHead(id, path);
    await writeCopy(path, { number: Number(last?.number ?? 0), push: last?.push ?? '', isClean: true });
  }

  /** Records all that a repository of this control has, for the first time. */
  async #recordAll({ id, path }: KeptRepository, home: Home): Promise<void> {
    const { db, homes } = this.#options;
    const all = await readRefs(path);
    const refs = Object.fromEntries([...all].filter(([ref]) => !ref.startsWith(pinPrefix)));
    const blob = all.size === 0 ? null : await this.#pack(path, [...new Set(all.values())], []);
    const shallow = await readIfThere(join(path, 'shallow'));
    const number = all.size === 0 ? 0 : 1;
    const push = all.size === 0 ? '' : randomBytes(12).toString('hex');
    await db.transaction().execute(async (trx) => {
      const { numUpdatedRows } = await trx
        .updateTable('repository_homes')
        .set({ is_recorded: 1, last_number: number })
        .where('repository_id', '=', id)
        .where('home', '=', homes.self)
        .where('epoch', '=', home.epoch)
        .where('is_recorded', '=', 0)
        .executeTakeFirst();
      if (numUpdatedRows === 0n) throw elsewhere();
      if (all.size === 0) return;
      const row = { repository_id: id, number, is_base: 1, push, shallow, blob };
      await trx
        .insertInto('repository_records')
        .values({ ...row, refs: JSON.stringify(refs) })
        .execute();
    });
    await writeCopy(path, { number, push, isClean: true });
  }

  #foldLater(repository: KeptRepository): void {
    const folding = this.fold(repository)
      .catch((error: unknown) => this.#options.report(`the records of ${repository.id} could not be folded`, error))
      .finally(() => this.#folding.delete(folding));
    this.#folding.add(folding);
  }

  /** Replaces all records of a repository, up to the present one, by one base. Pushes may go on meanwhile. */
  async fold({ id, path }: KeptRepository): Promise<void> {
    await this.#locks.run(`fold ${id}`, async () => {
      const { db, homes } = this.#options;
      const epoch = this.#ready.get(id);
      const records = await readRecords(this.#options.db, id);
      const last = records.at(-1);
      if (epoch === undefined || last === undefined || records.length <= 1) return;
      const refs = mergedRefs(records);
      const pins = [...(await readPins(this.#options.db, id)).values()];
      const missing = await missingObjects({ ...this.#at(path), oids: pins });
      const wanted = [...new Set([...refs.values(), ...pins.filter((oid) => !missing.has(oid))])];
      const blob = wanted.length === 0 ? null : await this.#pack(path, wanted, []);
      await db.transaction().execute(async (trx) => {
        const home = await trx
          .selectFrom('repository_homes')
          .select('epoch')
          .where('repository_id', '=', id)
          .where('home', '=', homes.self)
          .where('epoch', '=', epoch)
          .forNoKeyUpdate()
          .executeTakeFirst();
        if (home === undefined) return;
        const base = { is_base: 1, refs: JSON.stringify(Object.fromEntries(refs)), blob };
        const of = trx.deleteFrom('repository_records').where('repository_id', '=', id);
        await of.where('number', '<', last.number).execute();
        const row = trx.updateTable('repository_records').set(base).where('repository_id', '=', id);
        await row.where('number', '=', last.number).execute();
      });
    });
  }

  async #setHead(id: string, path: string): Promise<void> {
    const query = this.#options.db.selectFrom('handlers').select('deploy_branch').where('id', '=', id);
    const branch = (await query.executeTakeFirst())?.deploy_branch ?? 'main';
    await writeFile(join(path, 'HEAD'), `ref: refs/heads/${branch}\n`, { mode: 0o600 });
  }

  /** Packs objects and stores the pack. Returns its name; null: there are no objects. */
  async #pack(path: string, wanted: readonly string[], excluded: readonly string[]): Promise<string | null> {
    const pack = await writePack({ ...this.#at(path), folder: this.#options.spoolFolder, wanted, excluded });
    try {
      if (pack.objects === 0) return null;
      const name = `${pack.sha256}${packSuffix}`;
      await this.#options.packs.write(name, pack.chunks());
      return name;
    } finally {
      await pack.remove();
    }
  }

  #at(repository: string): PackOptions {
    return { repository, environment: this.#options.environment };
  }
}

function elsewhere(): PlatformError {
  return new PlatformError('conflict', 'the repository of this handler has moved to another server of this platform', {
    hints: ['try again'],
  });
}
