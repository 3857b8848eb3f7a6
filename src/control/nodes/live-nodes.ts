/**
 * Implements the port Nodes over the bus: every node says each second that it lives, and this control counts by its own
 * monotonic clock, so clocks of machines may differ. A node that is silent for busLimits.leaseMs has no lease any more:
 * nothing waits for it. While this control has no connection it knows nothing, so no lease ends meanwhile.
 */
import type { Bus, BusMessage } from '../../bus/bus.ts';
import { busLimits, subjects } from '../../bus/limits.ts';
import { type Alive, aliveSchema, type Command, kinds, preparedSchema, readMessage } from '../../bus/messages.ts';
import { PlatformError } from '../../protocol/errors.ts';
import type { GasProfile } from '../../protocol/gas-profile.ts';
import type { DeploymentSpec } from '../../protocol/messages.ts';
import type { HandlerId } from '../../protocol/names.ts';
import { holdersOf, labelsText, type PlacedHandler } from '../../protocol/placement.ts';
import type { Leases, Nodes, NodeView } from '../../protocol/ports.ts';
import { profileOfNodes } from './node-profiles.ts';
import type { SpecShelf } from './spec-shelf.ts';

export const liveNodeLimits = {
  /** Milliseconds between two looks for leases that have ended. */
  lookMs: 200,
  /** Milliseconds for one question to a node whether it has compiled a spec. The question is repeated. */
  prepareAskMs: 4_000,
  /** Milliseconds after which a node that lives and has not compiled a spec counts as failing. */
  prepareMs: 70_000,
  /**
   * Milliseconds without a connection after which a push is refused: time to connect to another server. Together with
   * the time in which the bus notices that NATS hangs it stays below outageLimits.pushRefusedMs.
   */
  awayMs: 1_000,
  /** Milliseconds for which a node may be unable to reach this control before a push is refused. */
  outageMs: 5_000,
  /** Milliseconds after which nothing waits any longer for a node that lives and does not take a Release. */
  appliedMs: 30_000,
  /** Milliseconds after which calls of a node that is silent count as ended. */
  goneMs: 60_000,
} as const;

export interface LiveNodesOptions {
  readonly bus: Pick<Bus, 'isConnected' | 'publish' | 'subscribe' | 'request'>;
  readonly shelf: SpecShelf;
  readonly leases: Pick<Leases, 'take' | 'release'>;
  /** URL at which nodes reach this control. */
  readonly controlUrl: string;
  /** Returns whether a node with this id may be part of the cluster. */
  readonly isKnown: (id: string) => boolean;
  /** Returns the name of a node, for messages; absent: its id. */
  readonly nameOf?: (id: string) => string;
  /** Is called when a runner has ended, and all calls in it with it. */
  readonly onRunnerGone: (runnerId: string) => void;
  /** Is called when a node appears, and when its lease has ended. */
  readonly onChange?: (name: 'lives' | 'gone', nodeId: string) => void;
  readonly report: (message: string, error: unknown) => void;
}

interface Living {
  alive: Alive;
  /** Monotonic time of its last message. */
  heardMs: number;
  /** Whether nothing listened at its port after that message. */
  isRefusing: boolean;
}

export class LiveNodes implements Nodes {
  readonly #options: LiveNodesOptions;
  readonly #living = new Map<string, Living>();
  /** Nodes whose lease has ended, whose calls do not count as ended yet. */
  readonly #lost = new Map<string, Living>();
  /** Greatest epoch heard of each node that is known: messages of an earlier process with the same id do not count. */
  readonly #epochs = new Map<string, number>();
  readonly #watchers = new Set<() => void>();
  readonly #timer: NodeJS.Timeout;
  /** Monotonic time since which there is no connection; null: there is one. */
  #awaySinceMs: number | null = null;
  /** Newest revision for which `applied` has ended. */
  #applied = 0;
  /** Number of picks, so that each takes another node. */
  #next = 0;

  constructor(options: LiveNodesOptions) {
    this.#options = options;
    options.bus.subscribe(subjects.allAlive, (message) => this.#hear(message));
    this.#timer = setInterval(() => this.#look(), liveNodeLimits.lookMs);
    this.#timer.unref();
  }

  list(): readonly NodeView[] {
    return [...this.#living.values()].map(({ alive }) => ({
      ...{ id: alive.id, url: alive.url, revision: alive.revision, isServing: alive.isServing, version: alive.version },
      runners: alive.runners,
    }));
  }

  /** Returns what the nodes that live have said last. */
  alive(): readonly Alive[] {
    return [...this.#living.values()].map(({ alive }) => alive);
  }

  /** Asks every node to say at once that it lives. Called when there is a connection, for the first time or again. */
  ask(): void {
    this.command({ command: 'ask' });
  }

  /** Sends a command to every node and control. Returns whether there is a connection. */
  command(command: Command): boolean {
    return this.#options.bus.publish(subjects.all, kinds.command, command);
  }

  /**
   * Resolves when `isDone` holds; it is asked at every change of a node. Resolves after `ms` milliseconds in any case.
   */
  async until(isDone: () => boolean, ms: number): Promise<void> {
    const endMs = performance.now() + ms;
    while (!isDone() && performance.now() < endMs) await this.#changed(endMs - performance.now());
  }

  /** Number of nodes that serve the newest Release for which `applied` has waited. */
  get servingNewest(): number {
    return this.#countNewest(this.#current());
  }

  /**
   * Returns the number of nodes that hold a function and serve the newest Release for which `applied` has waited, and
   * the number of nodes that should hold it.
   */
  holding(placed: PlacedHandler): { readonly serving: number; readonly wanted: number } {
    const holders = this.#holders(placed);
    const serving = this.#countNewest(holders.filter(({ isStale }) => !isStale));
    return { serving, wanted: placed.placement.replicas ?? holders.length };
  }

  /**
   * Returns the address of a node that serves, another one each time; null: none serves. Nodes that are cut off from
   * all controls come last, and those at whose port nothing listens. `placed`: only nodes that hold this function
   * count; null: all nodes hold it.
   */
  pick(
    placed: PlacedHandler | null = null,
  ): { readonly id: string; readonly host: string; readonly port: number } | null {
    const serves = this.#serving();
    const listening = serves.filter(({ id }) => this.#living.get(id)?.isRefusing !== true);
    const nodes = listening.length > 0 ? listening : serves;
    // Of a holder that has gone the next node in order takes the place, as the nodes themselves will find.
    const all = placed === null ? nodes : holdersAmong(placed, nodes);
    const current = all.filter(({ isStale }) => !isStale);
    const serving = current.length > 0 ? current : all;
    this.#next += 1;
    const one = serving[this.#next % Math.max(1, serving.length)];
    return one === undefined ? null : { id: one.id, host: one.host, port: one.port };
  }

  /** Notes that nothing listens at the port of a node: `pick` passes it over until it says again that it lives. */
  refused(nodeId: string): void {
    const living = this.#living.get(nodeId);
    if (living !== undefined) living.isRefusing = true;
  }

  async prepare(spec: DeploymentSpec): Promise<void> {
    const { bus, shelf } = this.#options;
    const { handlerId, placement } = spec;
    const serving = this.#serving();
    const holders = placement === undefined ? serving : this.#holders({ handlerId, placement });
    const asked = holders.filter(({ isStale }) => !isStale);
    if (!bus.isConnected)
      throw new PlatformError('unavailable', 'the nodes cannot be reached: NATS does not answer', {
        hints: ['nothing was changed; push again when it is back'],
        retryAfterSeconds: 5,
      });
    if (placement !== undefined && serving.length > 0 && holders.length === 0)
      throw this.#withoutHolder(labelsText(placement.labels), serving);
    if (asked.length === 0 && serving.length > 0)
      throw new PlatformError('unavailable', 'no node reaches a control', {
        hints: ['nothing was changed; push again in a moment'],
        retryAfterSeconds: 5,
      });
    if (asked.length === 0)
      throw new PlatformError('unavailable', 'no node serves', {
        hints: ['nothing was changed; an administrator adds a node with: wasmcloud nodes add NAME'],
        retryAfterSeconds: 5,
      });
    shelf.put(spec);
    try {
      // Waits for every node: one that gets `forget` while it prepares would keep the spec for ever.
      const settled = await Promise.allSettled(asked.map((alive) => this.#prepareIn(alive, spec.specId)));
      const refusal = settled.find(({ status }) => status === 'rejected');
      if (refusal?.status === 'rejected') throw refusal.reason;
      if (settled.some((one) => one.status === 'fulfilled' && one.value === 'loaded')) return;
      if (!bus.isConnected)
        throw new PlatformError('unavailable', 'NATS does not answer; nothing was changed', { retryAfterSeconds: 5 });
      throw new PlatformError('vet_failed', 'no runner could load it', {
        hints: ['nothing was changed; push again, and if that does not help ask who runs this platform'],
      });
    } catch (error) {
      this.forget(spec.specId);
      throw error;
    }
  }

  async applied(revision: number): Promise<void> {
    const late = (): readonly Alive[] => this.#current().filter((alive) => alive.revision < revision);
    const endMs = performance.now() + liveNodeLimits.appliedMs;
    while (late().length > 0 && !this.#isAway(busLimits.leaseMs) && performance.now() < endMs)
      await this.#changed(liveNodeLimits.lookMs);
    const names = late().map(({ url }) => url);
    if (names.length > 0 && !this.#isAway(busLimits.leaseMs))
      this.#options.report(
        `nodes have not taken revision ${revision} within ${liveNodeLimits.appliedMs} ms`,
        new Error(names.join(', ')),
      );
    this.#applied = Math.max(this.#applied, revision);
  }

  forget(specId: string): void {
    this.#options.shelf.remove(specId);
    this.command({ command: 'forget', specId });
  }

  cancel(invocation: string): void {
    this.command({ command: 'cancel', invocation });
  }

  profile(handlerId: HandlerId, ms: number): Promise<GasProfile> {
    const { bus, leases } = this.#options;
    const gone = (id: string, isOver: { readonly now: boolean }) => this.#goneOrAway(id, isOver);
    // All of them: one that does not hold the function has an empty profile.
    const ids = this.#current().map(({ id }) => id);
    return profileOfNodes(ids, { handlerId, ms }, { bus, leases, gone });
  }

  /** Forgets a node that has been removed. */
  remove(nodeId: string): void {
    const living = this.#living.get(nodeId);
    this.#living.delete(nodeId);
    this.#epochs.delete(nodeId);
    if (living !== undefined) this.#end(living);
    this.#wake();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#wake();
  }

  #serving(): readonly Alive[] {
    return this.alive().filter(({ isServing }) => isServing);
  }

  /** Returns the nodes that serve and reach a control: Releases wait for these alone. */
  #current(): readonly Alive[] {
    return this.#serving().filter(({ isStale }) => !isStale);
  }

  /** Returns the nodes that hold a function, as the nodes themselves find it. */
  #holders(placed: PlacedHandler): readonly Alive[] {
    return holdersAmong(placed, this.#serving());
  }

  #countNewest(nodes: readonly Alive[]): number {
    return nodes.filter(({ revision }) => revision >= this.#applied).length;
  }

  #withoutHolder(labels: string, serving: readonly Alive[]): PlatformError {
    const { nameOf = (id) => id } = this.#options;
    const lines = serving.map(({ id, nodeLabels = {} }) => `${nameOf(id)}: ${labelsText(nodeLabels) || 'no labels'}`);
    return new PlatformError('unavailable', `no node that lives has the labels that [placement] asks for: ${labels}`, {
      details: [...lines.slice(0, 20), ...(lines.length > 20 ? [`and ${lines.length - 20} more nodes`] : [])],
      hints: ['nothing was changed; a node gets labels from TRISIEL_NODE_LABELS'],
      retryAfterSeconds: 5,
    });
  }

  /**
   * Resolves with `loaded` when the node has compiled it, with `gone` when the node ends or reaches no control any
   * more. Throws `vet_failed` when it cannot be compiled, `unavailable` when the node does not reach this control.
   */
  async #prepareIn({ id, url }: Alive, specId: string): Promise<'loaded' | 'gone'> {
    const { bus, controlUrl } = this.#options;
    const endMs = performance.now() + liveNodeLimits.prepareMs;
    let outageSinceMs: number | null = null;
    while (performance.now() < endMs) {
      const asking = bus
        .request(subjects.node(id), kinds.prepare, { specId, control: controlUrl }, liveNodeLimits.prepareAskMs)
        .then((data) => ({ answer: readMessage(data, kinds.prepared, preparedSchema) }))
        .catch((error: unknown) => ({ error }));
      const isOver = { now: false };
      const result = await Promise.race([asking, this.#goneOrAway(id, isOver)]);
      isOver.now = true;
      if (result === 'gone') return 'gone';
      if ('answer' in result) {
        const { error, isOutage = false } = result.answer;
        if (error === null) return 'loaded';
        if (!isOutage) throw new PlatformError('vet_failed', `a runner cannot load it: ${error}`);
        outageSinceMs ??= performance.now();
        if (performance.now() - outageSinceMs > liveNodeLimits.outageMs)
          throw new PlatformError('unavailable', `the node at ${url} does not reach this control at ${controlUrl}`, {
            hints: ['nothing was changed; who runs this platform checks TRISIEL_INTERNAL_URL and the network'],
            retryAfterSeconds: 5,
          });
      }
      // Nobody heard the question, or the answer takes longer: it is asked again, and the node goes on where it is.
      await this.#changed(100);
    }
    throw new PlatformError('vet_failed', `a node has not compiled it after ${liveNodeLimits.prepareMs} ms`);
  }

  /** Resolves when the node has gone or reaches no control, when NATS does not answer, or when `isOver.now` is set. */
  async #goneOrAway(id: string, isOver: { readonly now: boolean }): Promise<'gone'> {
    const isHere = (): boolean => this.#living.get(id)?.alive.isStale === false;
    while (!isOver.now && isHere() && !this.#isAway(liveNodeLimits.awayMs)) await this.#changed(liveNodeLimits.lookMs);
    return 'gone';
  }

  /** Whether this control has had no connection for `ms` milliseconds. */
  #isAway(ms: number): boolean {
    return this.#awaySinceMs !== null && performance.now() - this.#awaySinceMs >= ms;
  }

  /** Takes what a node says of itself. Drops messages of unknown nodes and of earlier processes of a node. */
  #hear({ subject, data }: BusMessage): void {
    const alive = readMessage(data, kinds.alive, aliveSchema);
    const { id, epoch } = alive;
    if (subject !== subjects.alive(id) || !this.#options.isKnown(id)) return;
    if (epoch < (this.#epochs.get(id) ?? 0)) return;
    this.#epochs.set(id, epoch);
    const before = this.#living.get(id) ?? this.#lost.get(id);
    const isNew = !this.#living.has(id);
    this.#lost.delete(id);
    this.#living.set(id, { alive, heardMs: performance.now(), isRefusing: false });
    // Another process of the node: calls that ran in the runners of the one before may still run in its orphans.
    if (before !== undefined && before.alive.bootId !== alive.bootId) this.#end(before);
    if (isNew) this.#options.onChange?.('lives', id);
    this.#wake();
  }

  /** Ends the leases of silent nodes, and counts calls of those that are silent for longer as ended. */
  #look(): void {
    const nowMs = performance.now();
    if (!this.#options.bus.isConnected) {
      this.#awaySinceMs ??= nowMs;
      return;
    }
    if (this.#awaySinceMs !== null) {
      this.#awaySinceMs = null;
      for (const living of this.#living.values()) living.heardMs = nowMs;
    }
    for (const [id, living] of this.#living) {
      if (nowMs - living.heardMs < busLimits.leaseMs && this.#options.isKnown(id)) continue;
      this.#living.delete(id);
      this.#lost.set(id, living);
      this.#options.onChange?.('gone', id);
      this.#wake();
    }
    for (const [id, living] of this.#lost) {
      if (nowMs - living.heardMs < liveNodeLimits.goneMs) continue;
      this.#lost.delete(id);
      if (!this.#options.isKnown(id)) this.#epochs.delete(id);
      this.#end(living);
    }
  }

  /** Counts all calls in the runners of a node as ended. */
  #end({ alive }: Living): void {
    for (const { runnerId } of alive.runners) this.#options.onRunnerGone(runnerId);
  }

  #wake(): void {
    for (const resolve of this.#watchers) resolve();
    this.#watchers.clear();
  }

  /** Resolves at the next change of a node, after `ms` milliseconds at the latest. */
  #changed(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#watchers.delete(done);
        resolve();
      };
      const timer = setTimeout(done, Math.max(1, ms));
      this.#watchers.add(done);
    });
  }
}

function holdersAmong(placed: PlacedHandler, serving: readonly Alive[]): readonly Alive[] {
  const nodes = serving.map((alive) => ({ id: alive.id, labels: alive.nodeLabels ?? {}, alive }));
  return holdersOf(placed, nodes).map(({ alive }) => alive);
}
