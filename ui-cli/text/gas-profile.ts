/** Gas profiles as text: folded stacks for other tools, and a tree for people. */
import type { GasProfile } from '../../src/protocol/gas-profile.ts';
import { formatCount, plural } from './format.ts';
import { visible } from './visible.ts';

/** A function in one calling context, with the gas of itself and of what it calls. */
export interface ProfileNode {
  readonly name: string;
  /** Gas of the function itself. */
  readonly own: number;
  /** Gas with everything that it calls in this context. */
  readonly total: number;
  /** Functions that it calls, those with the most gas first. */
  readonly calls: readonly ProfileNode[];
}

/** Returns the contexts of a profile as a tree, under a node for all of them. */
export function profileTree({ functions, nodes }: GasProfile): ProfileNode {
  const calls = nodes.map((): ProfileNode[] => []);
  const roots: ProfileNode[] = [];
  // A context stands after its caller, so from the end each has all its calls.
  for (let at = nodes.length - 1; at >= 0; at--) {
    const [caller, fn, own] = nodes[at] ?? [-1, -1, 0];
    const node = made(visible(functions[fn] ?? '?'), own, calls[at] ?? []);
    (caller < at ? (calls[caller] ?? roots) : roots).push(node);
  }
  return made('all', 0, roots);
}

function made(name: string, own: number, calls: ProfileNode[]): ProfileNode {
  calls.sort((one, other) => other.total - one.total || (one.name < other.name ? -1 : 1));
  return { name, own, total: calls.reduce((sum, { total }) => sum + total, own), calls };
}

/**
 * Returns folded stacks, `main;parse;next 1200`: a line for each context with gas of its own, in alphabetical order.
 */
export function foldedStacks(root: ProfileNode): string[] {
  const lines: string[] = [];
  const visit = (node: ProfileNode, above: string): void => {
    // `;` separates functions.
    const stack = `${above}${above === '' ? '' : ';'}${node.name.replaceAll(';', ':')}`;
    if (node.own > 0) lines.push(`${stack} ${node.own}`);
    for (const call of node.calls) visit(call, stack);
  };
  for (const call of root.calls) visit(call, '');
  return lines.sort();
}

/** Share of all gas below which a context is left out of the tree. */
const leastShare = 0.005;

/** A function of the tree as a row of a table. */
export interface ProfileRow {
  /** Names of the functions from the root to this one. */
  readonly key: string;
  readonly name: string;
  /** Number of callers above. */
  readonly depth: number;
  /** Share of all gas, with all calls and of its own: `38.0 %`. */
  readonly total: string;
  readonly own: string;
  /** Whether it calls functions that are worth a row. */
  readonly hasCalls: boolean;
  readonly isFolded: boolean;
}

/** Returns the tree as rows, callers before what they call, without what `folded` rows call and without the least. */
export function profileRows(root: ProfileNode, folded: ReadonlySet<string> = new Set()): readonly ProfileRow[] {
  if (root.total === 0) return [];
  const share = (gas: number) => `${((100 * gas) / root.total).toFixed(1)} %`;
  const isWorth = ({ total }: ProfileNode) => total >= leastShare * root.total;
  const rows: ProfileRow[] = [];
  const visit = (node: ProfileNode, depth: number, above: string): void => {
    const { name, own, total } = node;
    const key = `${above}\0${name}`;
    const calls = node.calls.filter(isWorth);
    const isFolded = folded.has(key);
    rows.push({ key, name, depth, total: share(total), own: share(own), hasCalls: calls.length > 0, isFolded });
    if (!isFolded) for (const call of calls) visit(call, depth + 1, key);
  };
  for (const call of root.calls.filter(isWorth)) visit(call, 0, '');
  return rows;
}

/** Returns lines `38.0 %  12.0 %  | parse`: gas with all calls, gas of its own, and the function under its caller. */
export function profileLines(root: ProfileNode): string[] {
  const rows = profileRows(root);
  if (rows.length === 0) return [];
  return [
    '  TOTAL      OWN  FUNCTION',
    ...rows.map(
      ({ name, depth, total, own }) =>
        `${total.padStart(7)}  ${own.padStart(7)}  ${'  '.repeat(Math.min(depth, 30))}${name}`,
    ),
  ];
}

/** Returns how much a profile saw: `1.2M gas in 20 calls, 480 stacks`. */
export function profileSum({ gas, calls, samples }: GasProfile): string {
  return `${formatCount(gas)} gas in ${plural(calls, 'call')}, ${plural(samples, 'stack')}`;
}
