/**
 * trisiel:component/resources: resources that the component itself defines and exports. The component knows each by a
 * number of its own, the representation. The linker numbers the resource types and passes the number as `resource`; it
 * also calls the destructor, since no JavaScript frame may lie below code of the guest.
 */
import { func, type ResourceType } from '../../../../component/wit.ts';
import type { ResourceOf } from '../../../canonical/handles.ts';
import { witInterface, witRow } from '../../../canonical/row.ts';
import type { Process } from '../../../process.ts';

/** A resource of the guest. */
class GuestResource {
  /** Number of 32 bits by which the component that defines it knows it. */
  readonly representation: number;

  constructor(representation: number) {
    this.representation = representation;
  }
}

function typeOf(resource: number): ResourceOf<GuestResource> {
  return { kind: 'resource', id: `#${resource}` };
}

/** Returns a new handle of type `resource` for `representation`. Traps beyond 4,096 handles. */
const make = witRow(
  'make',
  func({ resource: 'u32', representation: 'u32' }, 'u32'),
  (guest: Process, resource: number, representation: number) =>
    guest.component.handles.add(typeOf(resource), new GuestResource(representation)),
);

/** Returns the representation of `handle`. Traps if it is no handle of type `resource`. */
const rep = witRow(
  'rep',
  func({ resource: 'u32', handle: 'u32' }, 'u32'),
  (guest: Process, resource: number, handle: number) =>
    guest.component.handles.get(typeOf(resource), handle).representation,
  { inRealloc: true },
);

/**
 * Removes `handle` and returns its representation; 0 for a borrowed handle. Traps if it is no handle of type
 * `resource`.
 */
const drop = witRow(
  'drop',
  func({ resource: 'u32', handle: 'u32' }, 'u32'),
  (guest: Process, resource: number, handle: number) =>
    guest.component.handles.drop(typeOf(resource), handle)?.representation ?? 0,
);

/**
 * Returns whether a drop of `handle` destroys the resource: it is owned. Traps if it is no handle of type `resource`.
 */
const owns = witRow(
  'owns',
  func({ resource: 'u32', handle: 'u32' }, 'bool'),
  (guest: Process, resource: number, handle: number) => guest.component.handles.isOwned(typeOf(resource), handle),
);

/** Number that stands for all resources of the host in `pass` and `lend`. */
const hostResources = 0xffff_ffff;
const ofNumber = (resource: number): ResourceType | null => (resource === hostResources ? null : typeOf(resource));

/**
 * Passes `handle` from component instance `from` to `to`. Returns the handle that `to` has for it. Traps if `from` does
 * not own it.
 */
const pass = witRow(
  'pass',
  func({ resource: 'u32', handle: 'u32', from: 'u32', to: 'u32' }, 'u32'),
  (guest: Process, resource: number, handle: number, from: number, to: number) => {
    const { handles } = guest.component;
    handles.owner = from;
    return handles.pass(ofNumber(resource), handle, to);
  },
);

/** Returns a handle of component instance `to` that borrows `handle` of `from`. Traps if `from` has no such handle. */
const lend = witRow(
  'lend',
  func({ resource: 'u32', handle: 'u32', from: 'u32', to: 'u32' }, 'u32'),
  (guest: Process, resource: number, handle: number, from: number, to: number) => {
    const { handles } = guest.component;
    handles.owner = from;
    return handles.lend(ofNumber(resource), handle, to);
  },
);

/**
 * Lends `handle` of component instance `from` to `to`, which defines the resource, and returns the representation.
 * Traps as rep does.
 */
const lendRep = witRow(
  'lend-rep',
  func({ resource: 'u32', handle: 'u32', from: 'u32', to: 'u32' }, 'u32'),
  (guest: Process, resource: number, handle: number, from: number, to: number) => {
    const { handles } = guest.component;
    handles.owner = from;
    return handles.lendValue(typeOf(resource), handle, to).representation;
  },
);

/** Begins a call of component instance `by`, to which handles may be lent. */
const called = witRow('called', func({ by: 'u32' }), (guest: Process, by: number) => {
  guest.component.handles.beginCall(by);
});

/** Ends a call of component instance `by`, to which handles were lent. Traps if it holds borrowed handles. */
const returned = witRow('returned', func({ by: 'u32' }), (guest: Process, by: number) => {
  guest.component.handles.endCall(by);
});

export const guestResources = witInterface('wasi2', 'trisiel:component/resources', [
  make,
  rep,
  drop,
  owns,
  pass,
  lend,
  called,
  returned,
  lendRep,
]);
