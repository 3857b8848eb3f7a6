/**
 * Names of takes of messages and calls. After a kill, a restarted control recognises by them what its earlier process
 * had taken, and gives it up at once: the connections of its calls have ended with the process, and so have the calls.
 * Other controls recognise what a lost control had (lost-controls.ts).
 */
import { randomUUID } from 'node:crypto';

export interface Taker {
  /** Id of the control's data folder, in which one process works at a time. Neither part contains `%` or `_`. */
  readonly controlId: string;
  /** Id of the process. */
  readonly bootId: string;
}

/** Returns a new name for a take. */
export function newTakenId({ controlId, bootId }: Taker): string {
  return `${controlId}/${bootId}/${randomUUID()}`;
}

/** Returns the pattern for LIKE that matches the takes of a control, or of one of its processes. */
export function takenBy({ controlId, bootId }: { readonly controlId: string; readonly bootId?: string }): string {
  return bootId === undefined ? `${controlId}/%` : `${controlId}/${bootId}/%`;
}
