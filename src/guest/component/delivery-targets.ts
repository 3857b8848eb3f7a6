/**
 * What the asynchronous calls of each component instance need: where their results go, whether there are tasks, whose
 * context is used.
 */

import type { CanonFunction, CoreItem, Graph } from './graph.ts';
import type { Memories } from './memories.ts';
import { unsupportedComponent } from './refusals.ts';
import type { ImportTarget } from './unit.ts';

/** The memory and the realloc of one component instance. Null: no call names one. */
export interface DeliveryTarget {
  readonly memory: CoreItem | null;
  readonly realloc: ImportTarget | null;
}

interface Finding {
  readonly graph: Graph;
  readonly memories: Memories;
  /** Returns the definition of a realloc of a component instance. */
  readonly target: (item: CoreItem, component: number) => ImportTarget;
  /** Name of the component in messages. */
  readonly subject: string;
}

/**
 * Finds the memory and the realloc that asynchronous calls, copies and waits of each component instance name. Throws
 * `module_unsupported` if those of one component instance name two memories or two reallocs: an event is delivered by
 * whichever function the guest calls next, so all of them must store results alike.
 */
export function findDeliveries(finding: Finding): ReadonlyMap<number, DeliveryTarget> {
  const found = new Map<number, DeliveryTarget>();
  for (const { args } of finding.graph.instances)
    for (const item of args.values()) {
      if (item.kind === 'instance') continue;
      for (const one of item.exports.values())
        if (one.kind === 'canon') addDelivery(finding, found, one.component, one.canon);
    }
  return found;
}

function addDelivery(
  { memories, target, subject }: Finding,
  found: Map<number, DeliveryTarget>,
  component: number,
  canon: CanonFunction,
): void {
  const options = 'options' in canon ? canon.options : null;
  if (canon.op === 'lower' ? !canon.options.async : canon.op === 'task.return') return;
  const known = found.get(component) ?? { memory: null, realloc: null };
  const memory = 'memory' in canon ? canon.memory : (options?.memory ?? null);
  const realloc = options === null || options.realloc === null ? null : target(options.realloc, component);
  if (memory !== null && known.memory !== null && !memories.areSame(memory, known.memory))
    throw unsupportedComponent(subject, 'asynchronous calls of one component with several memories');
  if (realloc !== null && known.realloc !== null && JSON.stringify(realloc) !== JSON.stringify(known.realloc))
    throw unsupportedComponent(subject, 'asynchronous calls of one component with several realloc functions');
  found.set(component, { memory: known.memory ?? memory, realloc: known.realloc ?? realloc });
}

/** Returns whether a part of a component calls a function of another one whose type is asynchronous. */
export function hasTasks({ instances }: Graph): boolean {
  return instances.some(({ args }) =>
    [...args.values()].some(
      (item) =>
        item.kind === 'bundle' &&
        [...item.exports.values()].some(
          (one) =>
            one.kind === 'canon' &&
            one.canon.op === 'lower' &&
            one.canon.func.kind === 'lifted' &&
            (one.canon.options.async || one.canon.func.options.async || one.canon.func.type.async),
        ),
    ),
  );
}

/** Returns the numbers of the component instances whose modules are given `context.get` or `context.set`. */
export function usersOfContext({ instances }: Graph): ReadonlySet<number> {
  const items = instances.flatMap(({ args }) =>
    [...args.values()].flatMap((item) => (item.kind === 'bundle' ? [...item.exports.values()] : [])),
  );
  return new Set(
    items.flatMap((item) => (item.kind === 'canon' && item.canon.op.startsWith('context') ? [item.component] : [])),
  );
}
