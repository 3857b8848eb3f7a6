/** State of a Process for the guest of a linked component. */
import { Allocations } from './allocations.ts';
import { HandleTable } from './handles.ts';

export class ComponentState {
  readonly handles = new HandleTable();
  readonly allocations = new Allocations();
}
