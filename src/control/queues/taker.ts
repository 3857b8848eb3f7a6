/**
 * Names of takes of messages and calls. After a kill, a restarted control recognises by them what its earlier process
 * had taken, and gives it up at once: the connections of its calls have ended with the process, and so have the calls.
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

/** Returns patterns for LIKE: takes of this control, and those of this process. */
export function takenPatterns({ controlId, bootId }: Taker): { readonly control: string; readonly process: string } {
  return { control: `${controlId}/%`, process: `${controlId}/${bootId}/%` };
}
