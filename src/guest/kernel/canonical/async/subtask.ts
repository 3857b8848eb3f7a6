/**
 * An asynchronous call of a host function that has not returned at once.
 *
 *     started --the host function returns--> returned
 *        +-----subtask.cancel---------------> cancelled
 *
 * Spec: component-model, CanonicalABI.md "Subtask State".
 */
import { GuestFault } from '../../memory.ts';
import type { Lent, ResourceOf } from '../handles.ts';
import { eventCode, Waitable } from './waitable.ts';

export const subtaskState = { started: 1, returned: 2, cancelledBeforeReturned: 4 } as const;

/** Handles of calls of the host, and of other parts (PartSubtask in `tasks.ts`). */
export const subtaskResource: ResourceOf<Waitable> = { kind: 'resource', id: 'trisiel:component/async#subtask' };

export class Subtask extends Waitable {
  protected readonly code = eventCode.subtask;
  readonly #lent: Lent;
  readonly #abort = new AbortController();
  #isResolved = false;
  #isDelivered = false;

  /** `lent` has the handles that the call borrows until its end has been delivered. */
  constructor(lent: Lent) {
    super();
    this.#lent = lent;
  }

  /** Signal that is aborted when the guest cancels the call. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get isResolved(): boolean {
    return this.#isResolved;
  }

  get isDelivered(): boolean {
    return this.#isDelivered;
  }

  /**
   * Ends the call; `store` writes its result when the guest learns of it. Returns false for a call that was cancelled.
   */
  returned(store: () => void): boolean {
    if (this.#isResolved) return false;
    this.#resolve(subtaskState.returned, store);
    return true;
  }

  /**
   * Cancels the call; if it has returned, its result stays. Its event exists when this returns. Throws GuestFault if
   * the guest has learned of the end.
   */
  cancel(): void {
    if (this.#isDelivered) throw new GuestFault('a call is cancelled whose end is known');
    if (this.#isResolved) return;
    this.#abort.abort();
    this.#resolve(subtaskState.cancelledBeforeReturned, () => undefined);
  }

  override leave(): void {
    if (!this.#isDelivered) throw new GuestFault('a call is dropped whose end is not known');
    super.leave();
  }

  /** Ends the call at the end of the Process. */
  close(): undefined {
    this.#abort.abort();
    this.#isResolved = true;
  }

  #resolve(state: number, store: () => void): void {
    this.#isResolved = true;
    this.happen(() => {
      this.#isDelivered = true;
      store();
      this.#lent.giveBack();
      return state;
    });
  }
}
