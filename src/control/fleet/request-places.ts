/**
 * Bounds what one runner asks of control at the same time. A runner of ours stays far below; one that a guest has taken
 * over could otherwise fill control's memory with answers that it never reads.
 */
import type { RunnerRequest } from '../../protocol/messages.ts';
import { Semaphore } from '../../waiting/semaphore.ts';
import { fleetLimits } from './limits.ts';

/** Requests with short answers, for which a place among `requests` is enough. */
const shortAnswers: ReadonlySet<RunnerRequest['op']> = new Set([
  'kv.put',
  'kv.replace',
  'kv.delete',
  'queue.publish',
  'call.accept',
]);

export class RequestPlaces {
  readonly #artifacts = places(fleetLimits.artifactsUnderway);
  readonly #reads = places(fleetLimits.readsUnderway);
  /** Requests whose answers have not been written. */
  #open = 0;

  /**
   * Runs `answer`, which resolves when the answer has been written to the runner's channel; what reads bytes waits for
   * a place. Throws Error at once when the runner has more than fleetLimits.requests open. Rejects as `answer` does.
   */
  run(op: RunnerRequest['op'], answer: () => Promise<void>): Promise<void> {
    if (this.#open >= fleetLimits.requests) throw new Error(`more than ${fleetLimits.requests} requests at once`);
    this.#open += 1;
    return this.#inTurn(op, answer).finally(() => {
      this.#open -= 1;
    });
  }

  #inTurn(op: RunnerRequest['op'], answer: () => Promise<void>): Promise<void> {
    if (op === 'artifact.get') return this.#artifacts.run(answer);
    return shortAnswers.has(op) ? answer() : this.#reads.run(answer);
  }
}

function places(running: number): Semaphore {
  // As many may wait as are counted in all, so it is never full.
  return new Semaphore({ running, waiting: fleetLimits.requests, full: () => new Error('too many requests wait') });
}
