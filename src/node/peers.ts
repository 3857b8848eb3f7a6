/**
 * The nodes that live, as this node hears them over the bus, and which of them hold a function. Counts by this node's
 * own monotonic clock, as controls do. While there is no connection nothing is known, so what was known last stays:
 * calls go on. What was known is kept over a restart too, until each node's lease has ended.
 */
import type { Bus } from '../bus/bus.ts';
import { busLimits, subjects } from '../bus/limits.ts';
import { type Alive, aliveSchema, kinds, readMessage } from '../bus/messages.ts';
import { type Elsewhere, holdersOf, labelsText, type NodeLabels, type PlacedHandler } from '../protocol/placement.ts';
import { nodeLimits } from './limits.ts';

/** Result of an attempt to connect: `refused`: the machine says that nothing listens there. */
export type Tried = 'listens' | 'refused' | 'unknown';

export interface PeersOptions {
  readonly bus: Pick<Bus, 'isConnected' | 'subscribe'>;
  /** This node, which always lives. */
  readonly self: { readonly id: string; readonly labels: NodeLabels };
  /** Nodes that were known when this node was last running, as `known` has returned them. */
  readonly known: readonly Peer[];
  /** Tries to connect to the port of a base URL; never rejects. */
  readonly tryPort: (url: string) => Promise<Tried>;
  /** Is called when a node that serves has appeared, has gone, or has other labels or another URL. */
  readonly onChange: () => void;
}

export interface Peer {
  readonly id: string;
  readonly labels: NodeLabels;
  /** Base URL of its functions, without a path. */
  readonly url: string;
}

interface Living {
  /** null: it lives, and serves no functions. */
  readonly peer: Peer | null;
  readonly epoch: number;
  /** Monotonic time of its last message. */
  heardMs: number;
  /** Whether its port is being tried. */
  isTried: boolean;
}

export class Peers {
  readonly #options: PeersOptions;
  readonly #living = new Map<string, Living>();
  readonly #timer: NodeJS.Timeout;
  /** What was told last, as text. */
  #told = '';
  #isAway = false;

  constructor(options: PeersOptions) {
    this.#options = options;
    const heardMs = performance.now();
    for (const peer of options.known)
      if (peer.id !== options.self.id) this.#living.set(peer.id, { peer, epoch: 0, heardMs, isTried: false });
    this.#told = JSON.stringify(this.known());
    options.bus.subscribe(subjects.allAlive, ({ subject, data }) => {
      const alive = readMessage(data, kinds.alive, aliveSchema);
      if (subject === subjects.alive(alive.id)) this.#hear(alive);
    });
    this.#timer = setInterval(() => this.#look(), nodeLimits.peersMs);
    this.#timer.unref();
  }

  /** Returns the other nodes that serve, sorted by id. */
  known(): readonly Peer[] {
    const all = [...this.#living.values()].flatMap(({ peer }) => (peer === null ? [] : [peer]));
    return all.sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** Returns where calls of a function go; null: this node holds it. */
  elsewhere(placed: PlacedHandler): Elsewhere | null {
    const { self } = this.#options;
    const holders = holdersOf<Peer>(placed, [{ ...self, url: '' }, ...this.known()]);
    if (holders.some(({ id }) => id === self.id)) return null;
    return { nodes: holders.map(({ url }) => url), labels: labelsText(placed.placement.labels) };
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #hear(alive: Alive): void {
    const { id, epoch } = alive;
    if (id === this.#options.self.id || epoch < (this.#living.get(id)?.epoch ?? 0)) return;
    this.#living.set(id, { peer: peerOf(alive), epoch, heardMs: performance.now(), isTried: false });
    this.#tell();
  }

  #look(): void {
    const nowMs = performance.now();
    if (!this.#options.bus.isConnected) {
      this.#isAway = true;
      return;
    }
    if (this.#isAway) {
      this.#isAway = false;
      for (const living of this.#living.values()) living.heardMs = nowMs;
    }
    for (const [id, living] of this.#living) {
      const silentMs = nowMs - living.heardMs;
      if (silentMs >= busLimits.leaseMs) this.#living.delete(id);
      else if (silentMs >= nodeLimits.suspectMs) void this.#try(id, living);
    }
    this.#tell();
  }

  /** Forgets a node that is silent before its lease ends, if nothing listens at its port: it cannot answer calls. */
  async #try(id: string, living: Living): Promise<void> {
    if (living.isTried || living.peer === null) return;
    living.isTried = true;
    const tried = await this.#options.tryPort(living.peer.url);
    living.isTried = false;
    // A message that has come meanwhile has made another entry.
    if (tried !== 'refused' || this.#living.get(id) !== living || !this.#options.bus.isConnected) return;
    this.#living.delete(id);
    this.#tell();
  }

  #tell(): void {
    const now = JSON.stringify(this.known());
    if (now === this.#told) return;
    this.#told = now;
    this.#options.onChange();
  }
}

/** Returns what a node says of itself; null: it does not serve, or its URL is none to send callers to. */
function peerOf({ id, isServing, nodeLabels = {}, url }: Alive): Peer | null {
  if (!isServing || !URL.canParse(url)) return null;
  const { origin, protocol } = new URL(url);
  return protocol === 'http:' || protocol === 'https:' ? { id, labels: nodeLabels, url: origin } : null;
}
