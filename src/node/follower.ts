/**
 * Follows what is released: reads all of it at the start, then the changes, from any control, and passes them to the
 * fleet in their order. Implements the part of the port ReleaseFeed that a fleet follows.
 */
import { isDeepStrictEqual } from 'node:util';
import { PlatformError } from '../protocol/errors.ts';
import type { DeploymentSpec, ElsewhereLabel, UnservedLabel } from '../protocol/messages.ts';
import type { Elsewhere, PlacedHandler } from '../protocol/placement.ts';
import type { ReleaseChange, ReleaseFeed, ReleaseState } from '../protocol/ports.ts';
import { changeOf, insteadOfUnknown, isKnownEntry, nothingOf, notLoaded, type Released } from '../protocol/released.ts';
import { WakeLoop } from '../waiting/wake-loop.ts';
import type { Controls } from './controls.ts';
import type { ReleaseCache } from './release-cache.ts';

/** What the follower needs of the fleet. */
export interface Admitting {
  /** Makes runners know specs, whose code they load when it is called. Specs that they know already are left alone. */
  admit(spec: DeploymentSpec): Promise<void>;
  forget(specId: string): void;
}

export interface FollowerOptions {
  readonly controls: Pick<Controls, 'releases'>;
  readonly cache: ReleaseCache;
  /** Returns the fleet, once it is made. */
  readonly fleet: () => Admitting;
  /** Puts the files of a spec in their place. */
  readonly complete: (spec: DeploymentSpec) => Promise<DeploymentSpec>;
  /** Returns where calls of a function go whose manifest asks something of nodes; null: this node holds it. */
  readonly elsewhere: (placed: PlacedHandler) => Elsewhere | null;
  /** Is called after a change has been passed on. */
  readonly onChange: (revision: number) => void;
  /** Is called when all changes that a control has told are passed on, if there were any. */
  readonly onCaughtUp: () => void;
  readonly report: (message: string, error: unknown) => void;
}

type Row = { readonly key: string; readonly revision: number; readonly content: Released | null };

export class Follower implements Pick<ReleaseFeed, 'changes' | 'current'> {
  readonly #options: FollowerOptions;
  readonly #listeners = new Set<(change: ReleaseChange) => void>();
  #entries = new Map<string, Released>();
  /** Where the labels are served that this node does not hold, by key, as the fleet has been told. */
  readonly #places = new Map<string, Elsewhere>();
  #mustPlace = false;
  /** The last change: changes are passed on one after the other. */
  #passing: Promise<unknown> = Promise.resolve();
  #revision = 0;
  readonly #loop = new WakeLoop(() => this.#follow());
  #isCacheWhole = true;

  constructor(options: FollowerOptions) {
    this.#options = options;
  }

  /** Revision up to which changes have been passed to the fleet. */
  get revision(): number {
    return this.#revision;
  }

  /** Number of labels that serve something here. */
  get labels(): number {
    let count = 0;
    for (const [key, entry] of this.#entries) if (entry.kind === 'release' && this.#isHere(key)) count += 1;
    return count;
  }

  /** Whether a function is released that only some of the nodes may hold. */
  get hasPlaced(): boolean {
    return [...this.#entries.values()].some((entry) => placedOf(entry) !== null);
  }

  /** Returns the names of the blobs that serving needs. */
  blobs(): ReadonlySet<string> {
    const names = new Set<string>();
    for (const [key, entry] of this.#entries)
      if (entry.kind === 'release' && this.#isHere(key))
        for (const spec of [entry.spec, entry.rolloutSpec])
          if (spec !== null) for (const name of [spec.artifact, spec.bundle]) if (name !== undefined) names.add(name);
    return names;
  }

  /**
   * Reads everything from a control, or uses what the last start has kept when no control answers. Throws `unavailable`
   * when there is neither.
   */
  async load(): Promise<'read' | 'cached'> {
    const { cache, report } = this.#options;
    try {
      const { rows, revision } = await this.#readAll();
      this.#entries = new Map();
      for (const { key, content } of rows) this.#set(key, content);
      this.#revision = revision;
      this.#keep(rows, revision, true);
      return 'read';
    } catch (error) {
      if (!(error instanceof PlatformError && error.code === 'unavailable')) throw error;
      const { entries, revision } = cache.read();
      if (revision === 0) throw error;
      report('no control can be reached: this node serves what it has kept', error);
      this.#entries = new Map(entries);
      this.#revision = revision;
      return 'cached';
    }
  }

  /** Decides what this node holds of what it has loaded, before the fleet reads it. */
  decide(): void {
    for (const [key, entry] of this.#entries) this.#note(key, this.#elsewhere(entry));
  }

  async current(): Promise<ReleaseState> {
    const state = {
      specs: [] as DeploymentSpec[],
      releases: [] as ReleaseState['releases'][number][],
      known: [] as string[],
      elsewhere: [] as ElsewhereLabel[],
      unserved: [] as UnservedLabel[],
      moved: [] as ReleaseState['moved'][number][],
      domains: [] as ReleaseState['domains'][number][],
      owners: [] as ReleaseState['owners'][number][],
    };
    for (const [key, entry] of [...this.#entries]) {
      if (entry.kind === 'release') {
        const elsewhere = this.#places.get(key);
        if (elsewhere !== undefined) {
          state.elsewhere.push({ label: entry.label, ...elsewhere });
          continue;
        }
        const { label, spec, rollout, rolloutSpec } = entry;
        try {
          const specs = [spec, ...(rolloutSpec === null ? [] : [rolloutSpec])];
          state.specs.push(...(await Promise.all(specs.map((one) => this.#options.complete(one)))));
          state.releases.push({ label, specId: spec.specId, rollout });
        } catch (error) {
          this.#options.report(`${label} cannot be served`, error);
          state.unserved.push({ label, reason: notLoaded });
        }
      } else if (entry.kind === 'announce') state.known.push(entry.label);
      else if (entry.kind === 'unserved') state.unserved.push({ label: entry.label, reason: entry.reason });
      else if (entry.kind === 'redirect') state.moved.push({ label: entry.label, to: entry.to });
      else if (entry.kind === 'owner') state.owners.push(entry.owner);
      else if (entry.to !== null) state.domains.push({ domain: entry.domain, to: entry.to });
    }
    return state;
  }

  changes(listener: (change: ReleaseChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Asks a control for changes. Resolves when those that were stored before the call are passed on. Rejects as
   * `releases` does.
   */
  follow(): Promise<void> {
    return this.#loop.wake();
  }

  /**
   * Looks again who holds placed functions, after nodes have come or gone, and passes on what has changed. Resolves
   * when it is passed on. A function that this node should hold and cannot fetch now stays where it was, and
   * `mustPlace` holds.
   */
  async place(): Promise<void> {
    this.#mustPlace = false;
    let hasChanged = false;
    for (const key of [...this.#entries.keys()]) {
      if (this.#loop.isClosed) return;
      if (placedOf(this.#entries.get(key)) === null) continue;
      const result = await this.#inTurn(() => this.#placeAgain(key));
      hasChanged ||= result === 'changed';
      this.#mustPlace ||= result === 'failed';
    }
    if (hasChanged) this.#options.onCaughtUp();
  }

  /** Whether `place` should be called again. */
  get mustPlace(): boolean {
    return this.#mustPlace;
  }

  close(): void {
    void this.#loop.close();
  }

  async #placeAgain(key: string): Promise<'same' | 'changed' | 'failed'> {
    const entry = this.#entries.get(key);
    if (entry === undefined || isDeepStrictEqual(this.#places.get(key) ?? null, this.#elsewhere(entry))) return 'same';
    try {
      await this.#apply(key, this.#revision, entry);
      return 'changed';
    } catch (error) {
      if (error instanceof PlatformError && error.code === 'unavailable') return 'failed';
      throw error;
    }
  }

  #isHere(key: string): boolean {
    return !this.#places.has(key);
  }

  /** Returns where an entry is served; null: here. */
  #elsewhere(content: Released | null): Elsewhere | null {
    const placed = placedOf(content);
    return placed === null ? null : this.#options.elsewhere(placed);
  }

  #note(key: string, elsewhere: Elsewhere | null): void {
    if (elsewhere === null) this.#places.delete(key);
    else this.#places.set(key, elsewhere);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const passed = this.#passing.then(work);
    this.#passing = passed.catch(() => {});
    return passed;
  }

  async #follow(): Promise<void> {
    let hasChanged = false;
    for (let more = true; more && !this.#loop.isClosed; ) {
      const page = await this.#options.controls.releases(this.#revision);
      if (page.revision < this.#revision) {
        await this.#inTurn(() => this.#startOver());
        hasChanged = true;
        break;
      }
      const rows = this.#known(page.rows);
      for (const { key, revision, content } of rows) await this.#inTurn(() => this.#apply(key, revision, content));
      hasChanged ||= rows.length > 0 || page.revision > this.#revision;
      this.#revision = page.revision;
      if (hasChanged) this.#keep(rows, page.revision, false);
      ({ more } = page);
    }
    if (!hasChanged) return;
    this.#options.onChange(this.#revision);
    this.#options.onCaughtUp();
  }

  /**
   * Reads everything again and passes on what differs, because the database of the controls has been restored to an
   * earlier state: revisions go on from there, and the changes that this node knows have not happened.
   */
  async #startOver(): Promise<void> {
    this.#options.report(
      'the database of the controls has gone back to an earlier state: everything is read again',
      new PlatformError('conflict', `this node knows revision ${this.#revision}`),
    );
    const { rows, revision } = await this.#readAll();
    const known = this.#revision;
    const wanted = new Map(rows.map((row) => [row.key, row.content]));
    try {
      for (const [key, content] of [...this.#entries])
        if ((wanted.get(key) ?? null) === null) await this.#apply(key, revision, nothingOf(content));
      for (const [key, content] of wanted)
        if (content !== null && !isDeepStrictEqual(this.#entries.get(key), content))
          await this.#apply(key, revision, content);
    } catch (error) {
      // The next answer is seen to go back again, and the rest is made then.
      this.#revision = known;
      throw error;
    }
    this.#entries = new Map([...this.#entries].filter(([key]) => (wanted.get(key) ?? null) !== null));
    this.#revision = revision;
    this.#keep(rows, revision, true);
  }

  async #readAll(): Promise<{ readonly rows: readonly Row[]; readonly revision: number }> {
    const rows: Row[] = [];
    let revision = 0;
    for (let more = true; more; ) {
      const page = await this.#options.controls.releases(revision);
      rows.push(...this.#known(page.rows));
      ({ more, revision } = page);
    }
    return { rows, revision };
  }

  /** Returns rows without kinds of entries that this program does not know: those are refused, not guessed. */
  #known(rows: readonly Row[]): readonly Row[] {
    return rows.map((row) => {
      if (isKnownEntry(row.content)) return row;
      const { kind } = row.content as { readonly kind: unknown };
      const error = new PlatformError('bad_request', `an entry of an unknown kind came: ${kind}`);
      this.#options.report(`${row.key} cannot be served: a newer control has released it`, error);
      return { ...row, content: insteadOfUnknown(row.key) };
    });
  }

  async #apply(key: string, revision: number, content: Released | null): Promise<void> {
    const { fleet, onChange } = this.#options;
    const before = this.#entries.get(key);
    const elsewhere = this.#elsewhere(content);
    const change = await this.#changeOf(key, revision, content, elsewhere);
    this.#set(key, content);
    this.#note(key, elsewhere);
    this.#revision = revision;
    if (change !== null) for (const listener of this.#listeners) listener(change);
    // A push may have prepared here what another node holds by now.
    const known = new Set([...specIdsOf(before ?? null), ...(elsewhere === null ? [] : specIdsOf(content))]);
    const held = elsewhere === null ? specIdsOf(content) : [];
    for (const specId of known) if (!held.includes(specId)) fleet().forget(specId);
    onChange(revision);
  }

  /** Returns the change for the fleet, which knows its specs then; null: there is none. Throws `unavailable`. */
  async #changeOf(
    key: string,
    revision: number,
    content: Released | null,
    elsewhere: Elsewhere | null,
  ): Promise<ReleaseChange | null> {
    const { complete, fleet, report } = this.#options;
    const change = changeOf(key, revision, content);
    if (change?.kind !== 'release' || content?.kind !== 'release') return change;
    const { label } = content;
    if (elsewhere !== null) return { kind: 'elsewhere', revision, label, ...elsewhere };
    try {
      const spec = await complete(content.spec);
      const specs = [spec];
      if (content.rolloutSpec !== null) specs.push(await complete(content.rolloutSpec));
      await Promise.all(specs.map((one) => fleet().admit(one)));
      return { ...change, spec };
    } catch (error) {
      // No control answers: this change is asked for again, and the version before serves meanwhile.
      if (error instanceof PlatformError && error.code === 'unavailable') throw error;
      // The label is not served, rather than with an old version.
      report(`${label} cannot be served`, error);
      return { kind: 'unserved', revision, label, reason: notLoaded };
    }
  }

  #set(key: string, content: Released | null): void {
    if (content === null) this.#entries.delete(key);
    else this.#entries.set(key, content);
  }

  /** Keeps rows on the disk. After a failure the next call keeps everything, since rows are missing there. */
  #keep(rows: Parameters<ReleaseCache['write']>[0], revision: number, whole: boolean): void {
    try {
      if (whole || this.#isCacheWhole) this.#options.cache.write(rows, revision, { whole });
      else {
        const all = [...this.#entries].map(([key, content]) => ({ key, revision, content }));
        this.#options.cache.write(all, revision, { whole: true });
      }
      this.#isCacheWhole = true;
    } catch (error) {
      this.#isCacheWhole = false;
      this.#options.report('what is released cannot be kept on the disk', error);
    }
  }
}

/**
 * Returns what an entry asks of nodes; null: nothing. While two versions share the calls, the live one's placement
 * holds.
 */
function placedOf(content: Released | null | undefined): PlacedHandler | null {
  if (content?.kind !== 'release' || content.spec.placement === undefined) return null;
  return { handlerId: content.spec.handlerId, placement: content.spec.placement };
}

function specIdsOf(content: Released | null): readonly string[] {
  if (content?.kind !== 'release') return [];
  return [content.spec.specId, ...(content.rolloutSpec === null ? [] : [content.rolloutSpec.specId])];
}
