/** Gas profiles as text: folded stacks for other tools, and a tree for people. */
import type { GasProfile } from '../../src/protocol/gas-profile.ts';
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

/** Returns folded stacks, `main;parse;next 1200`: a line for each context with gas of its own, in alphabetical order. */
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

/** Returns lines `38.0 %  12.0 %  | parse`: gas with all calls, gas of its own, and the function under its caller. */
export function profileLines(root: ProfileNode): string[] {
  if (root.total === 0) return [];
  const share = (gas: number) => `${((100 * gas) / root.total).toFixed(1)} %`.padStart(7);
  const lines = ['  TOTAL      OWN  FUNCTION'];
  const visit = (node: ProfileNode, depth: number): void => {
    if (node.total < leastShare * root.total) return;
    lines.push(`${share(node.total)}  ${share(node.own)}  ${'  '.repeat(Math.min(depth, 30))}${node.name}`);
    for (const call of node.calls) visit(call, depth + 1);
  };
  for (const call of root.calls) visit(call, 0);
  return lines;
}
