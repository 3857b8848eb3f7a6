/**
 * Where a function's instructions are charged.
 *
 * A node is a run of instructions with one way in, at its first byte, and one way out, at its last
 * instruction: control passes over all of it or none of it (but for a trap, or a call that never
 * returns). Each node has a weight, its number of instructions. The plain way charges every node its
 * weight on entry. Many of those charges can be saved without changing what is charged in sum:
 *
 * Let every edge of the control flow graph carry a credit, the instructions that have been paid
 * ahead when control passes over it. A node with credit `in` on the way in and `out` on the way out
 * charges `weight + out - in`. Along any path the credits cancel, so what has been charged at any
 * edge is what has been executed plus the credit there: **exact wherever the credit is 0**. All edges
 * out of one node carry the same credit, and so do all edges into one node (the charge stands inside
 * the node), so edges fall into classes; each class has one credit.
 *
 * The credit is fixed at 0 wherever the function is left and at the head of a loop that checks. All
 * other classes get the greatest credit that makes no charge negative: the fewest instructions on any
 * way from there to a credit of 0, found as shortest paths. So no charge is ever paid back, and what
 * is paid ahead is what will be executed in any case: a program that fits its gas limit never runs
 * out of it because of a credit, and what it has used when it ends is exact.
 *
 * In between, the counter is ahead by less than the shortest way to the end of each active function.
 * A trap, or a host function that ends the invocation, leaves it so: that is the same on every run.
 */

/** Credits above this have no bound yet. */
const unbounded = 2 ** 30;
/** Sweeps after which the shortest-path search gives up and every node pays its own weight; real code takes 2 to 4. */
const sweepsMax = 12;
/** The class whose credit is fixed at 0. */
export const exact = 0;
/** Flags of a node. The counter must be checked after charging: */
export const check = 1;
/** The node contains a call. */
const calls = 2;
/** The node is the head of a wrapped loop: the counter is checked before charging. */
export const head = 4;
/** As a node's way out: nothing comes behind (unreachable), so its credit is nobody's. */
const nowhere = -2;
const unset = -1;

export class Placement {
  /** Number of nodes. They are numbered in the order of their bytes. */
  nodes = 0;
  /** By node: byte offset of its first instruction. */
  offsets = new Int32Array(256);
  /** By node: whether to `check`. */
  flags = new Uint8Array(256);
  /** By node: what it charges; valid after solve(). */
  charges = new Int32Array(256);
  #weights = new Int32Array(256);
  #ins = new Int32Array(256);
  #outs = new Int32Array(256);
  #classes = 1;
  #parents = new Int32Array(256);
  #credits = new Int32Array(256);

  reset(): void {
    this.nodes = 0;
    this.#classes = 1;
    this.#parents[0] = 0;
  }

  /** Begins a node at `offset` whose edges in are of `inClass`; it becomes the current one. */
  begin(offset: number, inClass: number, flags: number): void {
    if (this.nodes === this.offsets.length) this.#growNodes();
    const node = this.nodes++;
    this.offsets[node] = offset;
    this.flags[node] = flags;
    this.#ins[node] = inClass;
    this.#outs[node] = unset;
  }

  /** Ends the current node with `weight` instructions, all its edges out in class `exact`. */
  endExact(weight: number): void {
    this.#weights[this.nodes - 1] = weight;
    const out = this.#outs[this.nodes - 1]!;
    if (out === unset) this.#outs[this.nodes - 1] = exact;
    else this.join(out, exact);
  }

  /** Ends the current node, which control does not leave. */
  endNowhere(weight: number): void {
    this.#weights[this.nodes - 1] = weight;
    this.#outs[this.nodes - 1] = nowhere;
  }

  /** Ends the current node; returns the class of its edges out. */
  end(weight: number): number {
    this.#weights[this.nodes - 1] = weight;
    const out = this.#outs[this.nodes - 1]!;
    if (out !== unset) return out;
    const made = this.newClass();
    this.#outs[this.nodes - 1] = made;
    return made;
  }

  /** The current node contains a call. */
  call(): void {
    this.flags[this.nodes - 1]! |= check | calls;
  }

  newClass(): number {
    if (this.#classes === this.#parents.length) {
      this.#parents = grown(this.#parents);
      this.#credits = grown(this.#credits);
    }
    this.#parents[this.#classes] = this.#classes;
    return this.#classes++;
  }

  /** Makes two classes one. `exact` absorbs the other. */
  join(first: number, second: number): void {
    const a = this.#find(first);
    const b = this.#find(second);
    if (a < b) this.#parents[b] = a;
    else if (b < a) this.#parents[a] = b;
  }

  #find(entry: number): number {
    const parents = this.#parents;
    while (parents[entry] !== entry) {
      const up = parents[parents[entry]!]!;
      parents[entry] = up;
      entry = up;
    }
    return entry;
  }

  /** Decides every node's charge. */
  solve(): void {
    const { nodes } = this;
    const ins = this.#ins;
    const outs = this.#outs;
    const weights = this.#weights;
    const credits = this.#credits;
    for (let node = 0; node < nodes; node++) {
      ins[node] = this.#find(ins[node]!);
      if (outs[node]! >= 0) outs[node] = this.#find(outs[node]!);
    }
    credits.fill(unbounded, 0, this.#classes);
    credits[exact] = 0;
    let settled = this.#sweep();
    for (let node = 0; node < nodes; node++) {
      // Only traps lie behind: nothing needs to be paid ahead.
      if (credits[ins[node]!]! >= unbounded) credits[ins[node]!] = 0;
      if (outs[node]! >= 0 && credits[outs[node]!]! >= unbounded) credits[outs[node]!] = 0;
    }
    settled = settled && this.#sweep();
    if (!settled) credits.fill(0, 0, this.#classes);
    for (let node = 0; node < nodes; node++) {
      const weight = weights[node]!;
      const paid = credits[ins[node]!]!;
      this.charges[node] = outs[node] === nowhere ? Math.max(0, weight - paid) : weight + credits[outs[node]!]! - paid;
    }
  }

  /** Lowers credits until no charge is negative. False: not settled within sweepsMax. */
  #sweep(): boolean {
    const ins = this.#ins;
    const outs = this.#outs;
    const weights = this.#weights;
    const credits = this.#credits;
    const { flags } = this;
    for (let sweep = 0; sweep < sweepsMax; sweep++) {
      let changed = false;
      for (let node = this.nodes - 1; node >= 0; node--) {
        const into = ins[node]!;
        const out = outs[node]!;
        if (into === exact || out === into) continue;
        // A path that ends in a trap bounds nothing, unless a call on it may end the invocation.
        if (out === nowhere && (flags[node]! & calls) === 0) continue;
        const bound = weights[node]! + (out === nowhere ? 0 : credits[out]!);
        if (bound < credits[into]!) {
          credits[into] = bound;
          changed = true;
        }
      }
      if (!changed) return true;
    }
    return false;
  }

  #growNodes(): void {
    this.offsets = grown(this.offsets);
    this.charges = grown(this.charges);
    this.#weights = grown(this.#weights);
    this.#ins = grown(this.#ins);
    this.#outs = grown(this.#outs);
    const flags = new Uint8Array(this.offsets.length);
    flags.set(this.flags);
    this.flags = flags;
  }
}

export function grown(array: Int32Array): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(array.length * 2);
  larger.set(array);
  return larger;
}
