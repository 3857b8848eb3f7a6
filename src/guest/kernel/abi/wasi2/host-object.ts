/**
 * Base class of the objects that resource handles of a component refer to. An object made from another one (a stream of
 * a body, a pollable of a stream) is its child, and must be dropped before its parent, as the WASI interfaces demand.
 */
import type { Droppable } from '../../canonical/row.ts';
import { GuestFault } from '../../memory.ts';
import type { Process } from '../../process.ts';

/** An object of the host. `leave` takes it from the guest, `close` frees it; `drop` does both. */
export abstract class HostObject implements Droppable {
  /** Name of the resource type, for messages. */
  abstract readonly what: string;
  readonly #parent: HostObject | null;
  /** Number of children that the guest has. */
  #children = 0;

  constructor(parent: HostObject | null = null) {
    this.#parent = parent;
    if (parent !== null) parent.#children += 1;
  }

  /**
   * Removes the object from the guest, whose handle is gone. Throws GuestFault if the guest still has handles of its
   * children.
   */
  leave(): void {
    if (this.#children > 0)
      throw new GuestFault(`the ${this.what} is given up while ${this.#children} of its children are in use`);
    if (this.#parent !== null) this.#parent.#children -= 1;
  }

  /** Releases the object when the guest drops its handle. */
  drop(_guest: Process): void {
    this.leave();
    void this.close();
  }

  /** Releases what the object holds, at its drop or at the end of the Process. Does nothing a second time. */
  close(): Promise<unknown> | undefined {
    return undefined;
  }
}
