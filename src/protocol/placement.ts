/**
 * Which nodes of a cluster hold a function. Every control and node computes it by itself, from the nodes that live, and
 * comes to the same result: nothing is assigned, and nothing has to be stored or agreed upon.
 */

/** What a manifest asks of the nodes that hold a function: `[placement]`. */
export interface NodePlacement {
  /** Number of nodes that hold it, 1 to placementLimits.replicasMax; null: all that have the labels. */
  readonly replicas: number | null;
  /** Labels that a node must have, all of them. */
  readonly labels: NodeLabels;
}

/** Labels by name. */
export type NodeLabels = Readonly<Record<string, string>>;

/** A function and what its manifest asks. Versions and previews of one function are held by the same nodes. */
export interface PlacedHandler {
  readonly handlerId: string;
  readonly placement: NodePlacement;
}

/** A node as far as placement needs it. */
export interface PlaceableNode {
  readonly id: string;
  readonly labels: NodeLabels;
}

/** Where calls of a function go that a node does not hold. */
export interface Elsewhere {
  /** Base URLs of nodes that hold it; empty: none does. */
  readonly nodes: readonly string[];
  /** Labels that it asks for, as text; '': none. */
  readonly labels: string;
}

export const placementLimits = {
  replicasMax: 100,
  /** Labels of one node, and of one manifest. */
  labels: 8,
} as const;

/** A name or value of a label: like a label of the DNS (RFC 1123), in lower case. */
export const labelPattern = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * End of a path at which a node says whether it holds the function, without calling it: 204, or 421 as for any call. A
 * proxy that cannot send a body twice asks before it sends one.
 */
export const holderPath = '/.trisiel/holder';

/** Response header in which a node that does not hold a function names one that does. */
export const nodeField = 'trisiel-node';

/**
 * Request field in which a proxy names a node that it could not reach for this call: it is not named again while there
 * is another one. Anybody may send it, and it only chooses among nodes that hold the function.
 */
export const triedField = 'trisiel-tried';

/**
 * Returns those of `nodes` that hold a function, by descending weight: those that have all labels, and of these the
 * first `replicas` by the weight of node and function (rendezvous hashing). So a node that comes or goes moves only
 * functions of its own. The order of `nodes` does not matter; ids are unique.
 */
export function holdersOf<T extends PlaceableNode>(
  { handlerId, placement }: PlacedHandler,
  nodes: readonly T[],
): readonly T[] {
  const asked = Object.entries(placement.labels);
  const matching = nodes.filter(({ labels }) => asked.every(([name, value]) => labels[name] === value));
  const handlerHash = hashOf(handlerId);
  return matching
    .map((node) => ({ node, weight: mixed(mixed(hashOf(node.id)) ^ handlerHash) }))
    .sort((a, b) => b.weight - a.weight || (a.node.id < b.node.id ? -1 : 1))
    .slice(0, placement.replicas ?? matching.length)
    .map(({ node }) => node);
}

/** Returns labels as text, sorted by name: `disk=ssd,zone=eu`. */
export function labelsText(labels: NodeLabels): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .sort()
    .join(',');
}

/** FNV-1a of UTF-16 code units, 32 bits (http://www.isthe.com/chongo/tech/comp/fnv). */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash;
}

/**
 * Finalizer of MurmurHash3: each bit of the input changes each bit of the result with a probability of about a half.
 */
function mixed(hash: number): number {
  let bits = hash ^ (hash >>> 16);
  bits = Math.imul(bits, 0x85ebca6b);
  bits ^= bits >>> 13;
  bits = Math.imul(bits, 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}
