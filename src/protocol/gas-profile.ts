/**
 * Gas profiles as plain data: which functions used gas, and through which calls. Runners make them, control adds them
 * up.
 */

export const gasProfileLimits = {
  /** Calling contexts of a profile. Gas of further ones counts for the innermost caller that is known. */
  nodes: 20_000,
  /** Functions of a stack that are kept, the innermost ones. */
  frames: 100,
  /** Characters of a function's name. */
  nameChars: 200,
  /** Seconds that a profile of calls may take: clients of the API wait a minute for an answer. */
  seconds: 30,
} as const;

/**
 * A function in one calling context: index of the caller's node (-1: none), index in `functions`, and gas of its own.
 */
export type GasNode = readonly [caller: number, fn: number, gas: number];

export interface GasProfile {
  /** Gas of all profiled calls. */
  readonly gas: number;
  /** Calls that ended while the profile was taken. */
  readonly calls: number;
  /** Stacks that were taken. 0: the calls have used too little gas for one. */
  readonly samples: number;
  /** Names of functions. */
  readonly functions: readonly string[];
  /** Contexts; each stands after its caller. Their gas is at most `gas`: what follows the last stack is in none. */
  readonly nodes: readonly GasNode[];
}

export const emptyProfile: GasProfile = { gas: 0, calls: 0, samples: 0, functions: [], nodes: [] };

/** Returns the sum of profiles of one program, at most `nodesMax` contexts. */
export function sumOfProfiles(profiles: readonly GasProfile[], nodesMax: number = gasProfileLimits.nodes): GasProfile {
  const functions = new Map<string, number>();
  const tree = new CallTree(nodesMax);
  for (const { functions: names, nodes } of profiles) {
    const places: number[] = [];
    for (const [caller, fn, gas] of nodes) {
      const name = names[fn] ?? '';
      const known = functions.get(name) ?? functions.size;
      functions.set(name, known);
      const place = tree.enter(caller < 0 ? -1 : (places[caller] ?? -1), known);
      places.push(place);
      tree.add(place, gas);
    }
  }
  // Names of contexts that found no place are left out.
  const names = [...functions.keys()];
  const places = new Map<number, number>();
  const nodes = tree.nodes().map(([caller, fn, gas]): GasNode => {
    const place = places.get(fn) ?? places.size;
    places.set(fn, place);
    return [caller, place, gas];
  });
  const sum = (of: (profile: GasProfile) => number) => profiles.reduce((total, profile) => total + of(profile), 0);
  return {
    gas: sum(({ gas }) => gas),
    calls: sum(({ calls }) => calls),
    samples: sum(({ samples }) => samples),
    functions: [...places.keys()].map((fn) => names[fn] ?? ''),
    nodes,
  };
}

/** Returns a profile that a runner has sent, if it is one; null: it is not. Costs no more than its size. */
export function plausibleProfile(value: unknown): GasProfile | null {
  const { gas, calls, samples, functions, nodes } = (value ?? {}) as Partial<Record<keyof GasProfile, unknown>>;
  // An integer.
  const isCount = (count: unknown): count is number => Number.isSafeInteger(count) && (count as number) >= 0;
  if (!isCount(gas) || !isCount(calls) || !isCount(samples) || !Array.isArray(functions) || !Array.isArray(nodes))
    return null;
  if (functions.length > gasProfileLimits.nodes || nodes.length > gasProfileLimits.nodes) return null;
  // `every` passes over holes of an array, which a message may have.
  const areNames = Array.from(functions).every(
    (name) => typeof name === 'string' && name.length <= gasProfileLimits.nameChars,
  );
  const areNodes = Array.from(nodes).every(
    (node: unknown, at) =>
      Array.isArray(node) &&
      node.length === 3 &&
      Number.isSafeInteger(node[0]) &&
      node[0] >= -1 &&
      node[0] < at &&
      isCount(node[1]) &&
      node[1] < functions.length &&
      isCount(node[2]),
  );
  return areNames && areNodes ? { gas, calls, samples, functions, nodes } : null;
}

/** Contexts with the gas of each. */
export class CallTree {
  readonly #max: number;
  readonly #callers: number[] = [];
  readonly #functions: number[] = [];
  readonly #gas: number[] = [];
  /** Nodes by caller and function. */
  readonly #known = new Map<string, number>();

  /** Makes an empty tree for at most `max` nodes, which is at least 1. */
  constructor(max: number) {
    this.#max = max;
  }

  /** Whether the tree takes no more nodes. */
  get isFull(): boolean {
    return this.#callers.length >= this.#max;
  }

  /**
   * Returns the node of function `fn` called by node `caller` (-1: none); the caller itself, or node 0, if the tree is
   * full.
   */
  enter(caller: number, fn: number): number {
    const key = `${caller} ${fn}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    if (this.isFull) return Math.max(caller, 0);
    const node = this.#callers.length;
    this.#callers.push(caller);
    this.#functions.push(fn);
    this.#gas.push(0);
    this.#known.set(key, node);
    return node;
  }

  /** Adds gas to a node, by the number that enter() returned. */
  add(node: number, gas: number): void {
    this.#gas[node] = (this.#gas[node] ?? 0) + gas;
  }

  nodes(): readonly GasNode[] {
    return this.#callers.map((caller, node): GasNode => [caller, this.#functions[node] ?? 0, this.#gas[node] ?? 0]);
  }
}
