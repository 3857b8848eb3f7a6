/** Passes ends of streams and futures between the guest and the host, as arguments and results of host functions. */
import type { Process } from '../../process.ts';
import type { ResourceOf } from '../handles.ts';
import type { Element, End, Kind, Readable, Side } from './shared.ts';

type EndResources = Readonly<Record<Kind, Readonly<Record<Side, ResourceOf<End>>>>>;

/** Types of handles by element: one object each, which is faster to compare than its id. */
const endResources = new WeakMap<Element, EndResources>();

function makeResources({ name }: Element): EndResources {
  const of = (kind: Kind, side: Side): ResourceOf<End> => ({
    kind: 'resource',
    id: `trisiel:component/async#${side} end of ${kind}<${name}>`,
  });
  const both = (kind: Kind) => ({ readable: of(kind, 'readable'), writable: of(kind, 'writable') });
  return { stream: both('stream'), future: both('future') };
}

/** Returns the type of handles of the readable or writable end of a stream or future of `element`. */
export function endResource(kind: Kind, side: Side, element: Element): ResourceOf<End> {
  let resources = endResources.get(element);
  if (resources === undefined) {
    resources = makeResources(element);
    endResources.set(element, resources);
  }
  return resources[kind][side];
}

/** Gives `end` to the guest. Returns its handle. */
export function addEnd(guest: Process, kind: Kind, side: Side, element: Element, end: End): number {
  end.handle = guest.component.handles.add(endResource(kind, side, element), end);
  return end.handle;
}

/**
 * Takes the readable end `handle` from the guest. Returns its shared part. Throws GuestFault for a handle of anything
 * else, and for an end that copies, is done, or is in a waitable set.
 */
export function liftEnd(guest: Process, kind: Kind, element: Element, handle: number): Readable {
  const end = guest.component.handles.take(endResource(kind, 'readable', element), handle, (one) => one.passOn());
  return end.shared as Readable; // the end is the readable one
}

/** Gives the guest the readable end of a stream or future. Returns its handle. */
export function lowerEnd(guest: Process, kind: Kind, element: Element, shared: Readable): number {
  return addEnd(guest, kind, 'readable', element, shared.readableEnd(kind));
}
