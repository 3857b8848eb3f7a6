/** State of a Process for the guest of a linked component. */
import { Allocations } from './allocations.ts';
import { HandleTable } from './handles.ts';

/** A value of the handle table that outlives calls of the guest: an end of a stream or future. */
interface End {
  readonly isEnd: true;
  close(): void;
}

export class ComponentState {
  readonly handles = new HandleTable();
  readonly allocations = new Allocations();
  /** Signal that is aborted when the guest cancels the call that is being started; null for a call without that. */
  cancelled: AbortSignal | null = null;

  /**
   * Ends all streams and futures whose ends the guest holds. Called when the guest has returned: the host then reads
   * what has been written, and no more comes.
   */
  giveUpEnds(): void {
    for (const value of this.handles.values()) if ((value as Partial<End>).isEnd === true) (value as End).close();
  }
}
