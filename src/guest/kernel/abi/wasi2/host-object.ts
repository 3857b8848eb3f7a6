/**
 * Base class of objects that resource handles of a component refer to. An object made from another one (a stream of a
 * body, a pollable of a stream) is its child, and must be dropped before its parent, as the WASI interfaces demand.
 */
import type { Droppable } from '../../canonical/row.ts';
import { GuestFault } from '../../memory.ts';
import type { Process } from '../../process.ts';

export abstract class HostObject implements Droppable {
  /** Name of the resource type, for messages. */
  abstract readonly what: string;
  readonly #parent: HostObject | null;
  #children = 0;

  constructor(parent: HostObject | null = null) {
    this.#parent = parent;
    if (parent !== null) parent.#children += 1;
  }

  /**
   * Takes the object from the guest: its handle is gone. Throws GuestFault where the guest still has handles of
   * children.
   */
  leave(): void {
    if (this.#children > 0)
      throw new GuestFault(`a ${this.what} is given up while ${this.#children} of its children are in use`);
    if (this.#parent !== null) this.#parent.#children -= 1;
  }

  /** Called when the guest drops its handle. */
  drop(_guest: Process): void {
    this.leave();
    void this.close();
  }

  /** Lets go of what the object holds: at its drop, and at the end of the Process. Does nothing a second time. */
  close(): Promise<unknown> | undefined {
    return undefined;
  }
}
