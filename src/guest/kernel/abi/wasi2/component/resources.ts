/**
 * trisiel:component/resources: resources that the component itself defines and exports. The component knows each by a
 * number of its own, the representation. The linker numbers the resource types and passes the number as `resource`; it
 * also calls the destructor, since no JavaScript frame may lie below code of the guest.
 */
import { func, type ResourceType } from '../../../../component/wit.ts';
import { witInterface, witRow } from '../../../canonical/row.ts';
import type { Process } from '../../../process.ts';

/** A resource of the guest. */
class GuestResource {
  readonly representation: number;

  constructor(representation: number) {
    this.representation = representation;
  }
}

function typeOf(resource: number): ResourceType {
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
    (guest.component.handles.get(typeOf(resource), handle) as GuestResource).representation,
);

/** Removes `handle` and returns its representation. Traps if it is no handle of type `resource`. */
const drop = witRow(
  'drop',
  func({ resource: 'u32', handle: 'u32' }, 'u32'),
  (guest: Process, resource: number, handle: number) =>
    (guest.component.handles.take(typeOf(resource), handle) as GuestResource).representation,
);

export const guestResources = witInterface('wasi2', 'trisiel:component/resources', [make, rep, drop]);
