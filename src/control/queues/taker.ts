/**
 * Names what a control takes: messages and calls. A control that starts again after a kill knows by it what the process
 * before it had taken, and gives that up at once; the connections of its calls have ended with it, and with them the
 * calls.
 */
import { randomUUID } from 'node:crypto';

export interface Taker {
  /** Names the control's data folder, where one process works at a time. Neither part has `%` or `_`. */
  readonly controlId: string;
  /** Names the process. */
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
