/**
 * Where a function's instructions are charged.
 *
 * A node is a run of instructions with one way in, at its first byte, and one way out, at its last
 * instruction: control passes over all of it or none of it (but for a trap, or a call that never
 * returns). Each node has a weight, its number of instructions. The plain way charges every node its
 * weight on entry. Most of those charges can be saved without changing what is charged in sum:
 *
 * Let every edge of the control flow graph carry a credit, the instructions that have been paid
 * ahead when control passes over it. A node with credit `before` on the way in and `after` on the way
 * out charges `weight + after - before`, which may be negative. Along any path the credits cancel, so
 * what has been charged at any edge is what has been executed plus the credit there. The credit is 0
 * where a function is left; where it is entered it is 0 or what all its callers pay ahead, the fewest
 * instructions that it can execute (entry-credits.ts). So **what a call has used when it returns is
 * exact**, and a check knows the credit of its place: it compares with that, not with 0, and is exact
 * as well.
 *
 * All edges out of one node carry the same credit, and so do all edges into one node (the charge
 * stands inside the node), so edges fall into classes; each class has one credit, and a node links
 * two classes. A node charges nothing where `before = weight + after`. Nodes are asked for that in the
 * order of how often they are expected to run, innermost loops first; each is granted it unless the
 * credits of its two classes already depend on each other. So the nodes without a charge form a
 * spanning forest of greatest weight, and every cycle has a charge where it is rarest (the optimal
 * placement of counters: Ball and Larus, Optimally profiling and tracing programs, 1994).
 *
 * Credits are never negative, so nothing is charged too late, and never above `creditMax`. Where an
 * instruction other than `unreachable` traps, or a host function ends the invocation, the charges stay
 * ahead, by less than that and a node for each active call; by the same on every run. (What a function
 * has counted in its local is lost then: emit.ts.)
 */

import { grown, grownBytes } from './columns.ts';

/** The most that is paid ahead per active call, in instructions. */
export const creditMax = 256;
/** No way out has been found yet. */
const unbounded = 2 ** 30;
/** Sweeps after which the search for shortest ways gives up; real code takes 2 to 4. */
const sweepsMax = 12;
/** The class whose credit is 0: where the function is left. */
export const exact = 0;
/** Flags of a node. It contains a call: the counter is charged and checked in the global. */
export const calls = 1;
/** The counter must be checked after charging. */
export const check = 2;
/** The node is the head of a loop with something around: the counter is checked before charging, or in front of the loop. */
export const head = 4;
/** The node goes back in a counted loop: it is charged in front of it. */
export const ahead = 8;

/** How often code runs, as a rank: eight for every loop around it, less in branches. */
export const heats = 64;
const heatsPerLoop = 8;

/** The heat inside of a loop that is entered at `heat`. */
export function heatOfLoop(heat: number): number {
  return Math.min(heat - (heat % heatsPerLoop) + 2 * heatsPerLoop - 2, heats - 1);
}

/** The heat of a branch off code of `heat`. */
export function heatOfBranch(heat: number): number {
  return heat % heatsPerLoop === 0 ? heat : heat - 1;
}

/** The heat of a function's first instruction. */
export const firstHeat = heatsPerLoop - 2;

export class Placement {
  /** Number of nodes. They are numbered in the order of their bytes. */
  nodes = 0;
  // By node:
  #offsets = new Int32Array(256);
  #weights = new Int32Array(256);
  #loops = new Int32Array(256);
  #flags = new Uint8Array(256);
  #charges = new Int32Array(256);
  #before = new Int32Array(256);
  #after = new Int32Array(256);
  #heats = new Uint8Array(256);
  #ins = new Int32Array(256);
  #outs = new Int32Array(256);
  #order = new Int32Array(256);
  readonly #counts = new Int32Array(heats);
  #classes = 1;
  /** Classes whose credits depend on each other form a tree; a class's credit is its parent's and its own offset. */
  #parents = new Int32Array(256);
  #credits = new Int32Array(256);
  /** By root: the least credit of its tree relative to its own, and the greatest that its own may be. */
  #lows = new Int32Array(256);
  #rooms = new Int32Array(256);
  /** By class: the fewest instructions on any way from there to where the function is left. */
  #distances = new Int32Array(256);
  /** What #find has added up. */
  #offset = 0;
  /** The class on the way in, and its credit. */
  #entryClass = exact;
  #entry = 0;

  reset(): void {
    this.nodes = 0;
    this.#classes = 0;
    this.newClass();
  }

  /** The class on the way in, where the callers have paid `credit`. */
  enter(credit: number): number {
    this.#entryClass = this.newClass();
    this.#entry = credit;
    return this.#entryClass;
  }

  /** The fewest instructions, at most `creditMax`, on any way through the function; 0 where that is not found. */
  fewest(): number {
    this.#findRoots();
    return this.#sweep() ? Math.min(creditMax, this.#distances[this.#ins[0]!]!) : 0;
  }

  /** Byte offset of the first instruction of `node`. */
  offset(node: number): number {
    return this.#offsets[node]!;
  }

  /** The price of the instructions of `node`. */
  weight(node: number): number {
    return this.#weights[node]!;
  }

  /** The innermost loop around `node`, 0 for none. */
  loop(node: number): number {
    return this.#loops[node]!;
  }

  /** What `node` charges; valid after solve(). */
  charge(node: number): number {
    return this.#charges[node]!;
  }

  /** The credit on the way into `node`; valid after solve(). */
  before(node: number): number {
    return this.#before[node]!;
  }

  /** The credit on the way out of `node`; valid after solve(). */
  after(node: number): number {
    return this.#after[node]!;
  }

  /** The flags of `node`. */
  flags(node: number): number {
    return this.#flags[node]!;
  }

  /** Adds `flag` to those of `node`. */
  mark(node: number, flag: number): void {
    this.#flags[node]! |= flag;
  }

  /** Takes `flag` from those of `node`. */
  unmark(node: number, flag: number): void {
    this.#flags[node]! &= ~flag;
  }

  /** Begins a node at `offset` in `loop` whose edges in are of `inClass`; it becomes the current one. */
  begin(offset: number, inClass: number, loop: number): void {
    if (this.nodes === this.#offsets.length) this.#growNodes();
    const node = this.nodes++;
    this.#offsets[node] = offset;
    this.#loops[node] = loop;
    this.#flags[node] = 0;
    this.#ins[node] = inClass;
    this.#outs[node] = exact;
  }

  /** Ends the current node, of `weight` instructions that run as often as `heat` says; returns the class of its edges out. */
  end(weight: number, heat: number): number {
    const out = this.newClass();
    this.#end(weight, heat, out);
    return out;
  }

  /** Ends the current node, with which the function is left or traps. */
  endExact(weight: number, heat: number): void {
    this.#end(weight, heat, exact);
  }

  #end(weight: number, heat: number, out: number): void {
    const node = this.nodes - 1;
    this.#weights[node] = weight;
    this.#heats[node] = heat;
    this.#outs[node] = out;
  }

  /**
   * `node` stands in front of a loop that makes calls: it is to be charged rather than what stands behind,
   * where the counter must be loaded again.
   */
  cool(node: number): void {
    if (this.#heats[node]! > 0) this.#heats[node]!--;
  }

  /** The current node contains a call. */
  call(): void {
    this.#flags[this.nodes - 1]! |= calls;
  }

  /** The current node goes back in a counted loop, and may be charged for many rounds in front of it. */
  payAhead(): void {
    this.#flags[this.nodes - 1]! |= ahead;
  }

  newClass(): number {
    if (this.#classes === this.#parents.length) {
      this.#parents = grown(this.#parents);
      this.#credits = grown(this.#credits);
      this.#lows = grown(this.#lows);
      this.#rooms = grown(this.#rooms);
      this.#distances = grown(this.#distances);
    }
    const made = this.#classes++;
    this.#parents[made] = made;
    this.#credits[made] = 0;
    this.#lows[made] = 0;
    this.#rooms[made] = creditMax;
    return made;
  }

  /** Makes two classes one. */
  join(first: number, second: number): void {
    this.#link(this.#find(first), this.#find(second), 0);
  }

  /** The root of a class's tree; leaves in #offset how far the class's credit is above the root's. */
  #find(entry: number): number {
    const parents = this.#parents;
    let offset = 0;
    let parent = parents[entry]!;
    if (parent === entry) {
      this.#offset = 0;
      return entry;
    }
    const credits = this.#credits;
    while (parent !== entry) {
      credits[entry]! += credits[parent]!;
      parents[entry] = parents[parent]!;
      offset += credits[entry]!;
      entry = parents[entry]!;
      parent = parents[entry]!;
    }
    this.#offset = offset;
    return entry;
  }

  /** Makes the credit of root `b` that of root `a` plus `difference`; false where that would leave the bounds. */
  #link(a: number, b: number, difference: number): boolean {
    if (a === b) return true;
    if (b === exact) return this.#link(b, a, -difference);
    const lows = this.#lows;
    const rooms = this.#rooms;
    const low = Math.min(lows[a]!, difference + lows[b]!);
    const room = Math.min(rooms[a]!, rooms[b]! - difference);
    if (low + (a === exact ? 0 : room) < 0 || room < 0) return false;
    this.#parents[b] = a;
    this.#credits[b] = difference;
    lows[a] = low;
    rooms[a] = room;
    return true;
  }

  /** Decides every node's charge. */
  solve(): void {
    const { nodes } = this;
    const weights = this.#weights;
    const charges = this.#charges;
    const before = this.#before;
    const after = this.#after;
    const ins = this.#ins;
    const outs = this.#outs;
    this.#findRoots();
    this.#boundCredits();
    this.#link(exact, this.#entryClass, this.#entry);
    this.#sort();
    for (let at = 0; at < nodes; at++) {
      const node = this.#order[at]!;
      const into = this.#find(ins[node]!);
      const paid = this.#offset;
      const out = this.#find(outs[node]!);
      this.#link(into, out, paid - weights[node]! - this.#offset);
    }
    for (let node = 0; node < nodes; node++) {
      before[node] = this.#credit(ins[node]!);
      after[node] = this.#credit(outs[node]!);
      charges[node] = weights[node]! + after[node]! - before[node]!;
    }
  }

  #findRoots(): void {
    const ins = this.#ins;
    const outs = this.#outs;
    for (let node = 0; node < this.nodes; node++) {
      ins[node] = this.#find(ins[node]!);
      outs[node] = this.#find(outs[node]!);
    }
  }

  /**
   * Who is called knows nothing of the credit behind the call, so its checks count that as used: it may
   * only be what will be executed in any case. So do the checks in a counted loop with what has been paid
   * for its rounds, and the credit behind them.
   */
  #boundCredits(): void {
    const { nodes } = this;
    const flags = this.#flags;
    const outs = this.#outs;
    const distances = this.#distances;
    const settled = this.#sweep();
    for (let node = 0; node < nodes; node++) {
      const out = outs[node]!;
      if ((flags[node]! & (calls | ahead)) !== 0) this.#rooms[out] = settled ? Math.min(creditMax, distances[out]!) : 0;
    }
  }

  /** Finds the distances as shortest paths; false where that takes too long. */
  #sweep(): boolean {
    const { nodes } = this;
    const weights = this.#weights;
    const ins = this.#ins;
    const outs = this.#outs;
    const distances = this.#distances;
    distances.fill(unbounded, 0, this.#classes);
    distances[exact] = 0;
    for (let sweep = 0; sweep < sweepsMax; sweep++) {
      let changed = false;
      for (let node = nodes - 1; node >= 0; node--) {
        const into = ins[node]!;
        const distance = weights[node]! + distances[outs[node]!]!;
        if (distance < distances[into]!) {
          distances[into] = distance;
          changed = true;
        }
      }
      if (!changed) return true;
    }
    return false;
  }

  /** A tree that nothing ties to an edge of credit 0 is laid so that its least credit is 0. */
  #credit(entry: number): number {
    const root = this.#find(entry);
    return root === exact ? this.#offset : this.#offset - this.#lows[root]!;
  }

  /** Orders the nodes by heat, the hottest first, those of one heat as they stand. */
  #sort(): void {
    const { nodes } = this;
    const counts = this.#counts;
    if (this.#order.length < nodes) this.#order = new Int32Array(this.#offsets.length);
    counts.fill(0);
    for (let node = 0; node < nodes; node++) counts[this.#heats[node]!]!++;
    let from = 0;
    for (let heat = heats - 1; heat >= 0; heat--) {
      const count = counts[heat]!;
      counts[heat] = from;
      from += count;
    }
    for (let node = 0; node < nodes; node++) this.#order[counts[this.#heats[node]!]!++] = node;
  }

  #growNodes(): void {
    this.#offsets = grown(this.#offsets);
    this.#loops = grown(this.#loops);
    this.#weights = grown(this.#weights);
    this.#charges = grown(this.#charges);
    this.#before = grown(this.#before);
    this.#after = grown(this.#after);
    this.#ins = grown(this.#ins);
    this.#outs = grown(this.#outs);
    this.#flags = grownBytes(this.#flags);
    this.#heats = grownBytes(this.#heats);
  }
}
