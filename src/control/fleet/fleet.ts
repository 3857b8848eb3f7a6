/**
 * All runners: starts them, feeds them, watches them, and replaces those that end.
 *
 * Every runner gets the same changes in the same order. A starting runner reads the whole state and then the changes
 * made meanwhile, so that it never misses one and never sees one too early.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf, PlatformError } from '../../protocol/errors.ts';
import type { GasProfile } from '../../protocol/gas-profile.ts';
import { runnerLimits } from '../../protocol/limits.ts';
import type { DeploymentSpec, OwnerState } from '../../protocol/messages.ts';
import type { HandlerId } from '../../protocol/names.ts';
import type { Nodes, NodeView, ReleaseChange } from '../../protocol/ports.ts';
import { Activity } from './activity.ts';
import { Blame } from './blame.ts';
import { describeEnd, isOwnFault, isProcessorFault } from './end.ts';
import { AppliedChanges, sendChange } from './feed-changes.ts';
import { Inbox } from './inbox.ts';
import { fleetLimits } from './limits.ts';
import { load } from './loader.ts';
import { Member, Members } from './members.ts';
import { type FleetOptions, runnerConfig } from './options.ts';
import { Orphans } from './orphans.ts';
import { OwnerLines } from './owner-lines.ts';
import { Profiling } from './profiling.ts';
import { Restarts } from './restarts.ts';
import { checkRunPort } from './run-port.ts';
import { type RunnerEnd, RunnerProcess } from './runner-process.ts';
import type { TakeoverDoor } from './takeover-door.ts';

/** Implements the port Nodes with one Node: this machine. */
export class RunnerFleet implements Nodes {
  readonly #options: FleetOptions;
  readonly #members = new Members();
  readonly #blame = new Blame(() => performance.now());
  /** Prepared specs that the state read by a new runner does not contain yet. */
  readonly #prepared = new Map<string, DeploymentSpec>();
  readonly #applied = new AppliedChanges();
  readonly #unfollow: () => void;
  readonly #ownerLines: OwnerLines;
  readonly #restarts = new Restarts();
  readonly #waitingForLaunch: (() => void)[] = [];
  readonly #orphans: Orphans;
  readonly #profiling = new Profiling();
  readonly #inbox: Inbox;
  /** Artifacts of the specs that are being prepared, by spec. */
  readonly #offered = new Map<string, { readonly name: string; readonly bytes: Uint8Array }>();
  #watch: NodeJS.Timeout | null = null;
  #port: number;
  /** Number of runners started so far. */
  #started = 0;
  #state: 'starting' | 'running' | 'stopping' = 'starting';
  #isStale = false;
  #stopped: Promise<void> | null = null;

  constructor(options: FleetOptions) {
    this.#options = options;
    this.#ownerLines = new OwnerLines(options.onLogs);
    this.#port = options.port;
    this.#orphans = new Orphans(options, () => this.isServing);
    this.#inbox = new Inbox({
      fleet: options,
      readArtifact: (name) => this.#artifact(name),
      profiling: this.#profiling,
      onUnloadable: (specId, reason) => this.#unloadable(specId, reason),
    });
    this.#unfollow = options.releases.changes((change) => this.#follow(change));
  }

  /** Handles requests that runners of an earlier control send to control's server. */
  get takeover(): TakeoverDoor {
    return this.#orphans.door;
  }

  /** The functions' port, once `start` has resolved. */
  get port(): number {
    return this.#port;
  }

  get runUrl(): string {
    return this.#options.runUrl ?? `http://${this.#options.domain}:${this.#port}`;
  }

  list(): readonly [NodeView] {
    return [
      {
        id: this.#options.bootId,
        url: this.runUrl,
        revision: this.#applied.revision,
        isServing: this.isServing,
        runners: [...this.#members].map(({ runner, isServing }) => ({
          runnerId: runner.runnerId,
          pid: runner.pid ?? 0,
          isServing,
          stats: runner.stats,
        })),
      },
    ];
  }

  /** Whether at least one runner serves. */
  get isServing(): boolean {
    return [...this.#members].some((member) => member.isServing);
  }

  /**
   * Resolves when every runner serves and those of an earlier control answer no more.
   * Throws `unavailable` when the port cannot be had or a runner cannot start.
   */
  async start(): Promise<void> {
    const { host, port, probeKey, runners } = this.#options;
    await checkRunPort({ host, port, probeKey });
    this.#watch = setInterval(() => {
      for (const { runner } of this.#members) runner.watch();
    }, fleetLimits.pingMs);
    try {
      // When the port is 0, the first runner picks it, so that runner is started first.
      const first = port === 0 ? 1 : 0;
      if (first === 1) await this.#launch(0);
      await Promise.all(Array.from({ length: runners - first }, (_, index) => this.#launch(index + first)));
    } catch (error) {
      await this.stop();
      throw error;
    }
    await this.#orphans.takeOver();
    if (this.#stopped !== null) return;
    this.#state = 'running';
    this.#orphans.windUp();
  }

  /** Lets runners finish (runnerLimits.drainMs), then ends them. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  /**
   * Leaves the runners that serve to the next control: they go on for at most `lifetimeMs`. Resolves when they have
   * handed over what they had and the channels to them are closed.
   */
  leave(lifetimeMs: number): Promise<void> {
    this.#stopped ??= this.#leave(lifetimeMs);
    return this.#stopped;
  }

  async #leave(lifetimeMs: number): Promise<void> {
    this.#rest();
    await Promise.all(
      [...this.#members].map(async ({ runner, isServing }) => {
        if (!isServing) {
          runner.kill('SIGKILL');
          await runner.ended;
          return;
        }
        runner.send({ kind: 'leave', lifetimeMs });
        await Promise.race([runner.sync(), delay(fleetLimits.leaveMs, undefined, { ref: false })]);
        runner.letGo();
      }),
    );
    await this.#orphans.written();
    this.#unfollow();
  }

  /** Stops starting and watching runners. */
  #rest(): void {
    this.#state = 'stopping';
    this.#orphans.stop();
    this.#restarts.stop();
    for (const resolve of this.#waitingForLaunch.splice(0)) resolve();
    if (this.#watch !== null) clearInterval(this.#watch);
  }

  async #stop(): Promise<void> {
    this.#rest();
    const killer = setTimeout(() => {
      for (const { runner } of this.#members) runner.kill('SIGKILL');
    }, runnerLimits.drainMs + fleetLimits.exitMs);
    await Promise.all(
      [...this.#members].map(({ runner }) => {
        runner.send({ kind: 'drain' });
        return runner.ended;
      }),
    );
    clearTimeout(killer);
    await this.#orphans.written();
    this.#unfollow();
  }

  async prepare(spec: DeploymentSpec): Promise<void> {
    const { specId } = spec;
    this.#prepared.set(specId, spec);
    this.#ownerLines.remember(spec);
    try {
      // Each runner asks for the bytes; they are read once.
      this.#offered.set(specId, { name: spec.artifact, bytes: await this.#options.readArtifact(spec.artifact) });
      // All runners may have died just now; then the next one is asked.
      while (this.#members.size === 0 && this.#restarts.isAnyDue) await this.#nextLaunch();
      const failures = await this.#members.make(async (runner) => {
        const result = await runner.prepare({ kind: 'prepare', spec, isLazy: false });
        if (result === 'ended') throw new Error('it ended over the module');
        if (result.error !== null) throw new PlatformError('vet_failed', `a runner cannot load it: ${result.error}`);
      });
      // A runner that ended by accident does not count while another one has loaded the module.
      const refusal = failures.find((failure) => failure instanceof PlatformError);
      if (refusal !== undefined) throw refusal;
      if (!failures.includes(null)) {
        throw new PlatformError('vet_failed', 'no runner could load it', {
          hints: ['nothing was changed; push again, and if that does not help ask who runs this platform'],
        });
      }
    } catch (error) {
      this.forget(specId);
      throw error;
    } finally {
      this.#offered.delete(specId);
    }
  }

  async #artifact(name: string): Promise<Uint8Array> {
    for (const offered of this.#offered.values()) if (offered.name === name) return offered.bytes;
    return this.#options.readArtifact(name);
  }

  /**
   * Makes every runner know `spec`, whose code it loads when the function is first called. Resolves when all know it,
   * or have ended; a runner that knows it already does nothing.
   */
  async admit(spec: DeploymentSpec): Promise<void> {
    this.#prepared.set(spec.specId, spec);
    this.#ownerLines.remember(spec);
    await this.#members.make(async (runner) => {
      await runner.prepare({ kind: 'prepare', spec, isLazy: true });
    });
  }

  /** Whether all changes from the feed have taken effect, and no runner of an earlier control answers. */
  get isSettled(): boolean {
    return this.#applied.areAllMade && this.#orphans.haveClosed;
  }

  /** Makes every runner mark its answers as stale, or no longer. */
  markStale(isStale: boolean): void {
    this.#isStale = isStale;
    for (const { runner } of this.#members) runner.send({ kind: 'stale', isStale });
  }

  /** Lets every runner make a change from the feed. */
  #follow(change: ReleaseChange): void {
    const made = this.#members
      .make((runner) => sendChange(runner, change, (owner) => this.#shareOf(owner)))
      .then(() => {
        // The state that a new runner reads contains both specs from now on.
        if (change.kind !== 'release') return;
        this.#prepared.delete(change.spec.specId);
        if (change.rollout !== null) this.#prepared.delete(change.rollout.specId);
      });
    this.#applied.add(change.revision, made);
  }

  async applied(revision: number): Promise<void> {
    await this.#applied.upTo(revision);
    // Waits for the takeover: runners of an earlier control would still answer with their old state.
    await this.#orphans.closed;
  }

  forget(specId: string): void {
    this.#prepared.delete(specId);
    this.#ownerLines.forget(specId);
    this.#blame.forget(specId);
    void this.#members.make(async (runner) => runner.forget(specId));
  }

  cancel(invocation: string): void {
    for (const { runner } of this.#members) runner.send({ kind: 'cancel', invocation });
  }

  profile(handlerId: HandlerId, ms: number): Promise<GasProfile> {
    const runners = [...this.#members].filter(({ isServing }) => isServing).map(({ runner }) => runner);
    return this.#profiling.take(runners, handlerId, ms);
  }

  /** Returns one runner's share of a User's limit of calls in flight: an equal part, at least one. */
  #shareOf(owner: OwnerState): OwnerState {
    if (owner.callsMax === null) return owner;
    return { ...owner, callsMax: Math.ceil(owner.callsMax / this.#options.runners) };
  }

  #nextLaunch(): Promise<void> {
    return new Promise((resolve) => this.#waitingForLaunch.push(resolve));
  }

  /** Starts runner `index`; resolves when it serves, rejects when it ends before. */
  async #launch(index: number): Promise<void> {
    this.#started += 1;
    const runnerId = `${this.#options.bootId}-${this.#started}`;
    const { program, programFolder, env, nodeFlags, onEvent, releases, bootMs = fleetLimits.bootMs } = this.#options;
    const activity = new Activity();
    const runner = new RunnerProcess({
      runnerId,
      program,
      programFolder: programFolder.endsWith('/') ? programFolder : `${programFolder}/`,
      env: { NODE_ENV: 'production', ...env },
      nodeFlags: nodeFlags ?? [],
      spool: this.#orphans.spools?.open(runnerId),
      onMessage: (message) => this.#inbox.receive(runner, activity, message),
      onStderr: (line) => onEvent?.({ kind: 'runner_stderr', runnerId, line }),
    });
    const member = new Member({ index, runner, activity });
    // Read in the same turn in which the backlog starts: earlier prepared specs are in this list, later ones in the
    // backlog.
    const prepared = [...this.#prepared.values()];
    this.#members.add(member);
    this.#orphans.started(runner.pid);
    for (const resolve of this.#waitingForLaunch.splice(0)) resolve();
    void runner.ended.then((end) => this.#ended(member, end));
    let isLate = false;
    const late = setTimeout(() => {
      isLate = true;
      runner.kill('SIGKILL');
    }, bootMs);
    const ended = runner.ended.then((end) => {
      const how = isLate ? `it was not ready within ${bootMs} ms` : describeEnd(end);
      throw new PlatformError('unavailable', `a runner ended before it served: ${how}`);
    });
    ended.catch(() => {});
    try {
      await Promise.race([runner.booted, ended]);
    } finally {
      clearTimeout(late);
    }
    runner.send({
      kind: 'config',
      config: runnerConfig(this.#options, { runnerId, port: this.#port, runUrl: this.runUrl }),
    });
    if (this.#isStale) runner.send({ kind: 'stale', isStale: true });
    const [all, lastCallMs] = await Promise.all([releases.current(), this.#options.lastCallMs?.() ?? {}]);
    for (const spec of all.specs) this.#ownerLines.remember(spec);
    const loading = load({
      shareOf: (owner) => this.#shareOf(owner),
      runner,
      state: all,
      lastCallMs,
      prepared,
      quarantined: (specId) => this.#blame.find(specId),
      onUnloadable: (specId, reason) => this.#unloadable(specId, reason),
    });
    await Promise.race([loading, ended]);
    await Promise.race([member.catchUp(), ended]);
    runner.send({ kind: 'serve' });
    this.#port = await Promise.race([runner.listening, ended]);
    member.isServing = true;
    onEvent?.({ kind: 'runner_started', runnerId, pid: runner.pid ?? 0 });
  }

  #ended(member: Member, end: RunnerEnd): void {
    const { index, runner } = member;
    this.#orphans.ended(runner.runnerId, runner.pid);
    this.#members.remove(member);
    const wasServing = member.isServing;
    member.isServing = false;
    // Before it serves, a runner runs no guest and compiles nothing.
    const suspect = wasServing ? end.busyWith : null;
    const isGuilty = suspect !== null && isOwnFault(end) && this.#isCertain(suspect, member, end);
    if (isGuilty) this.#accuse(suspect, describeEnd(end));
    this.#options.onRunning(runner.runnerId, null);
    if (this.#state !== 'stopping')
      this.#ownerLines.runnerEnded(member.activity, describeEnd(end), isGuilty ? suspect : null);
    // At the start no runner can be replaced: start() reports the failure.
    const isReplaced = this.#state === 'running' || (this.#state === 'starting' && wasServing);
    const delayMs = isReplaced ? this.#restarts.nextDelayMs(index, performance.now() - member.startedMs) : null;
    this.#options.onEvent?.({
      kind: 'runner_ended',
      runnerId: runner.runnerId,
      pid: runner.pid ?? 0,
      reason: describeEnd(end),
      restartMs: delayMs,
    });
    if (delayMs === null) return;
    // #ended reports the end and arranges the next start.
    this.#restarts.later(delayMs, () =>
      this.#launch(index).catch((error: unknown) => this.#launchFailed(index, error)),
    );
  }

  /** Ends a runner that is alive but could not be fed, because the database or the Artifacts could not be read. */
  #launchFailed(index: number, error: unknown): void {
    const member = this.#members.get(index);
    if (member === undefined || member.isServing) return;
    const line = `runner ${member.runner.runnerId} could not be loaded: ${messageOf(error)}`;
    this.#options.onEvent?.({ kind: 'runner_stderr', runnerId: member.runner.runnerId, line });
    member.runner.kill('SIGKILL');
  }

  /**
   * Returns whether the runner's mark proves which spec ended it. A thread that stood still was held by the marked
   * spec, and a fault of the processor happened in the marked spec's code. Any other cause (memory, code space) builds
   * up over many calls: the marked spec is guilty only when no other spec was in use.
   */
  #isCertain(specId: string, { activity }: Member, end: RunnerEnd): boolean {
    if (end.silentMs !== null || isProcessorFault(end)) return true;
    const owner = this.#ownerLines.handlerOf(specId);
    return activity.all().every(({ handlerId }) => handlerId === owner);
  }

  /**
   * Counts a runner's death against this Deployment, tells the owner, and quarantines the Deployment after too many.
   */
  #accuse(specId: string, how: string): void {
    const quarantine = this.#blame.add(specId, how);
    this.#ownerLines.error(specId, `ended a runner of the platform (${how}) and with it every other call in it`);
    if (quarantine === null) return;
    const { reason } = quarantine;
    this.#ownerLines.error(specId, `stopped: ${reason}; calls are answered with 503 until another version is pushed`);
    this.#options.onEvent?.({ kind: 'quarantined', specId, reason });
    void this.#members.make(async (runner) => runner.send({ kind: 'quarantine', specId, reason }));
  }

  #unloadable(specId: string, reason: string): void {
    this.#ownerLines.error(specId, `cannot be loaded and is not served: ${reason}; push it again`);
    this.#options.onEvent?.({ kind: 'unloadable', specId, reason });
  }
}
