/**
 * Decides which nodes of a function charge, and how much. docs/meter.md has the words and an example.
 *
 * A node is a run of instructions with one way in, at its first byte, and one way out, at its last instruction: control
 * passes over all of it or none of it (except at a trap, or a call that never returns). Each node has a weight, the
 * price of its instructions. The plain way charges every node its weight on entry. Most of those charges can be saved
 * without a change of their sum:
 *
 * Every edge of the control flow graph carries a credit, the gas that has been paid ahead when control passes over it.
 * A node with credit `before` on the way in and `after` on the way out charges `weight + after - before`, which may be
 * negative. Along any path the credits cancel, so what has been charged at any edge is what has been executed plus the
 * credit there. The credit is 0 where a function is left; where it is entered it is 0 or what all its callers pay
 * ahead, the least gas that it can use (entry-credits.ts). So **what a call has used when it returns is exact**, and a
 * check knows the credit of its place: it compares with that, not with 0, and is exact as well.
 *
 * All edges out of one node carry the same credit, and so do all edges into one node (the charge stands inside the
 * node), so edges fall into classes; each class has one credit, and a node links two classes. A node charges nothing
 * where `before = weight + after`. Nodes are asked for that in the order of their heat, the hottest first; each is
 * granted it unless the credits of its two classes already depend on each other. So the nodes without a charge form a
 * spanning forest of greatest weight, and every cycle has a charge where it is rarest (the optimal placement of
 * counters: Ball and Larus, Optimally profiling and tracing programs, 1994).
 *
 * Credits are never negative, so nothing is charged too late, and never above `creditMax`. Where an instruction other
 * than `unreachable` traps, or a host function ends the invocation, the charges stay ahead, by less than that and a
 * node for each active call; by the same on every run. (A count in a local is lost then: emit.ts.)
 */
import { grown, grownBytes } from './columns.ts';

/** Most gas that is paid ahead per active call. */
export const creditMax = 256;
/** Distance of a class from which no way out of the function has been found yet. */
const unbounded = 2 ** 30;
/** Most sweeps in the search for shortest ways. Real code takes 2 to 4. */
const sweepsMax = 12;
/** Class of the edges that leave the function. Its credit is 0. */
export const exact = 0;
// Flags of a node.
/** The node contains a call: it charges and checks the global counter. */
export const calls = 1;
/** The node checks after it has charged. */
export const check = 2;
/**
 * The node is the head of a loop with code around it: that code checks before the loop, or the node checks before its
 * charge.
 */
export const head = 4;
/** The node goes back in a counted loop: code before the loop makes its charge, for many rounds. */
export const ahead = 8;

/** The node continues after a caught exception: it charges and checks the global counter. */
export const landing = 16;

/** Number of heats. A heat ranks how often code runs: eight for every loop around it, less in branches. */
export const heats = 64;
const heatsPerLoop = 8;

/** Returns the heat inside a loop that is entered at `heat`. */
export function heatOfLoop(heat: number): number {
  return Math.min(heat - (heat % heatsPerLoop) + 2 * heatsPerLoop - 2, heats - 1);
}

/** Returns the heat of an arm that branches off from code of `heat`. */
export function heatOfBranch(heat: number): number {
  return heat % heatsPerLoop === 0 ? heat : heat - 1;
}

/** Heat of a function's first instruction. */
export const firstHeat = heatsPerLoop - 2;

export class Placement {
  /** Number of nodes; they are numbered in the order of their bytes. */
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
  /**
   * Parent of each class in the tree of classes whose credits depend on each other; a root is its own parent.
   * `#credits` has how far the credit of each class is above its parent's.
   */
  #parents = new Int32Array(256);
  #credits = new Int32Array(256);
  /**
   * Least credit in the tree of each root, relative to the root's. `#rooms` has the room of each root: the most that
   * its credit may be.
   */
  #lows = new Int32Array(256);
  #rooms = new Int32Array(256);
  /** Least gas on any way from each class to an exit of the function. */
  #distances = new Int32Array(256);
  /** How far the credit of the class that #find looked up last is above its root's. */
  #offset = 0;
  /** Class of the edge on which the function is entered. */
  #entryClass = exact;
  /** Credit of that edge, in gas. */
  #entry = 0;

  reset(): void {
    this.nodes = 0;
    this.#classes = 0;
    this.newClass();
  }

  /**
   * Makes the class of the edge on which the function is entered, for which callers pay `credit` ahead. Returns the
   * class.
   */
  enter(credit: number): number {
    this.#entryClass = this.newClass();
    this.#entry = credit;
    return this.#entryClass;
  }

  /** Returns the least gas, at most `creditMax`, of any way through the function; 0 if it is not found. */
  fewest(): number {
    this.#findRoots();
    return this.#sweep() ? Math.min(creditMax, this.#distances[this.#ins[0]!]!) : 0;
  }

  /** Returns the byte offset of the first instruction of `node`. */
  offset(node: number): number {
    return this.#offsets[node]!;
  }

  /** Returns the sum of the prices of the instructions of `node`. */
  weight(node: number): number {
    return this.#weights[node]!;
  }

  /** Returns the innermost loop around `node`; 0: none. */
  loop(node: number): number {
    return this.#loops[node]!;
  }

  /** Returns the gas that `node` charges; valid after solve(). */
  charge(node: number): number {
    return this.#charges[node]!;
  }

  /** Returns the credit of the edges into `node`; valid after solve(). */
  before(node: number): number {
    return this.#before[node]!;
  }

  /** Returns the credit of the edges out of `node`; valid after solve(). */
  after(node: number): number {
    return this.#after[node]!;
  }

  /** Returns the flags of `node`. */
  flags(node: number): number {
    return this.#flags[node]!;
  }

  /** Adds `flag` to the flags of `node`. */
  mark(node: number, flag: number): void {
    this.#flags[node]! |= flag;
  }

  /** Removes `flag` from the flags of `node`. */
  unmark(node: number, flag: number): void {
    this.#flags[node]! &= ~flag;
  }

  /**
   * Begins a node at byte `offset` in `loop`, which becomes the current one. `inClass` is the class of its edges in.
   */
  begin(offset: number, inClass: number, loop: number): void {
    if (this.nodes === this.#offsets.length) this.#growNodes();
    const node = this.nodes++;
    this.#offsets[node] = offset;
    this.#loops[node] = loop;
    this.#flags[node] = 0;
    this.#ins[node] = inClass;
    this.#outs[node] = exact;
  }

  /** Ends the current node, with `weight` in gas and `heat`. Returns the class of its edges out. */
  end(weight: number, heat: number): number {
    const out = this.newClass();
    this.#end(weight, heat, out);
    return out;
  }

  /** Ends the current node, after which the function is left or traps. */
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
   * Lowers the heat of `node`, which comes right before a loop that makes calls. It is then charged rather than the
   * node after the loop, at which the counter must be loaded again.
   */
  cool(node: number): void {
    if (this.#heats[node]! > 0) this.#heats[node]!--;
  }

  /** Notes that the current node contains a call. */
  call(): void {
    this.#flags[this.nodes - 1]! |= calls;
  }

  /**
   * Notes that the current node goes back in a counted loop, so that it may be charged before the loop, for many
   * rounds.
   */
  payAhead(): void {
    this.#flags[this.nodes - 1]! |= ahead;
  }

  /** Makes a class of edges whose credit is still free. Returns its number. */
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

  /** Joins two classes: their edges carry the same credit. */
  join(first: number, second: number): void {
    this.#link(this.#find(first), this.#find(second), 0);
  }

  /** Returns the root of a class's tree. Sets #offset to the amount by which the class's credit is above the root's. */
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

  /**
   * Makes the credit of root `b` that of root `a` plus `difference`. Returns false, and changes nothing, if a credit
   * would be negative or exceed its room.
   */
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

  /** Decides the charge of every node and the credits of the edges around it. */
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
   * Limits the room of the classes after calls, and after nodes that go back in counted loops, to the gas that will be
   * used in any case. A called function does not know the credit after the call, so its checks count that credit as
   * used. Checks in a counted loop count the gas paid for the rounds to come in the same way.
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

  /** Finds the distances as shortest paths. Returns false after more than `sweepsMax` sweeps. */
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

  /**
   * Returns the credit of a class. A tree not connected to class `exact` is shifted so that its smallest credit is 0.
   */
  #credit(entry: number): number {
    const root = this.#find(entry);
    return root === exact ? this.#offset : this.#offset - this.#lows[root]!;
  }

  /** Orders the nodes by heat, the hottest first; nodes of equal heat keep their order. */
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
