/**
 * Follows what is released: reads all of it at the start, then the changes, from any control, and passes them to the
 * fleet in their order. Implements the part of the port ReleaseFeed that a fleet follows.
 */
import { isDeepStrictEqual } from 'node:util';
import { PlatformError } from '../protocol/errors.ts';
import type { DeploymentSpec } from '../protocol/messages.ts';
import type { ReleaseChange, ReleaseFeed, ReleaseState } from '../protocol/ports.ts';
import { changeOf, nothingOf, type Released } from '../protocol/released.ts';
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
  #revision = 0;
  #following: Promise<void> | null = null;
  #isWoken = false;
  #isClosed = false;
  #isCacheWhole = true;

  constructor(options: FollowerOptions) {
    this.#options = options;
  }

  /** Revision up to which changes have been passed to the fleet. */
  get revision(): number {
    return this.#revision;
  }

  /** Number of labels that serve something. */
  get labels(): number {
    let count = 0;
    for (const entry of this.#entries.values()) if (entry.kind === 'release') count += 1;
    return count;
  }

  /** Names of the blobs that serving needs. */
  blobs(): ReadonlySet<string> {
    const names = new Set<string>();
    for (const entry of this.#entries.values())
      if (entry.kind === 'release')
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

  async current(): Promise<ReleaseState> {
    const state = {
      specs: [] as DeploymentSpec[],
      releases: [] as ReleaseState['releases'][number][],
      known: [] as string[],
      moved: [] as ReleaseState['moved'][number][],
      domains: [] as ReleaseState['domains'][number][],
      owners: [] as ReleaseState['owners'][number][],
    };
    for (const entry of [...this.#entries.values()]) {
      if (entry.kind === 'release') {
        const { label, spec, rollout, rolloutSpec } = entry;
        try {
          const specs = [spec, ...(rolloutSpec === null ? [] : [rolloutSpec])];
          state.specs.push(...(await Promise.all(specs.map((one) => this.#options.complete(one)))));
          state.releases.push({ label, specId: spec.specId, rollout });
        } catch (error) {
          this.#options.report(`${label} cannot be served`, error);
          state.known.push(label);
        }
      } else if (entry.kind === 'announce') state.known.push(entry.label);
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

  /** Asks a control for changes. Resolves when those that were stored before the call are passed on. Rejects as `releases` does. */
  follow(): Promise<void> {
    this.#isWoken = true;
    this.#following ??= this.#follow().finally(() => {
      this.#following = null;
    });
    return this.#following;
  }

  close(): void {
    this.#isClosed = true;
  }

  async #follow(): Promise<void> {
    while (this.#isWoken && !this.#isClosed) {
      this.#isWoken = false;
      let hasChanged = false;
      for (let more = true; more && !this.#isClosed; ) {
        const page = await this.#options.controls.releases(this.#revision);
        if (page.revision < this.#revision) {
          await this.#startOver();
          hasChanged = true;
          break;
        }
        for (const { key, revision, content } of page.rows) await this.#apply(key, revision, content);
        hasChanged ||= page.rows.length > 0 || page.revision > this.#revision;
        this.#revision = page.revision;
        if (hasChanged) this.#keep(page.rows, page.revision, false);
        ({ more } = page);
      }
      if (!hasChanged) continue;
      this.#options.onChange(this.#revision);
      this.#options.onCaughtUp();
    }
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
      rows.push(...page.rows);
      ({ more, revision } = page);
    }
    return { rows, revision };
  }

  async #apply(key: string, revision: number, content: Released | null): Promise<void> {
    const { fleet, report, onChange } = this.#options;
    const before = this.#entries.get(key);
    let change = changeOf(key, revision, content);
    if (change?.kind === 'release' && content?.kind === 'release') {
      try {
        const spec = await this.#options.complete(content.spec);
        const specs = [spec];
        if (content.rolloutSpec !== null) specs.push(await this.#options.complete(content.rolloutSpec));
        await Promise.all(specs.map((one) => fleet().admit(one)));
        change = { ...change, spec };
      } catch (error) {
        // No control answers: this change is asked for again, and the version before serves meanwhile.
        if (error instanceof PlatformError && error.code === 'unavailable') throw error;
        // The label serves nothing, rather than an old version.
        report(`${content.label} cannot be served`, error);
        change = { kind: 'announce', revision, label: content.label };
      }
    }
    this.#set(key, content);
    this.#revision = revision;
    if (change !== null) for (const listener of this.#listeners) listener(change);
    const now = specIdsOf(content);
    for (const specId of specIdsOf(before ?? null)) if (!now.includes(specId)) fleet().forget(specId);
    onChange(revision);
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

function specIdsOf(content: Released | null): readonly string[] {
  if (content?.kind !== 'release') return [];
  return [content.spec.specId, ...(content.rolloutSpec === null ? [] : [content.rolloutSpec.specId])];
}
