/** Answers the questions of controls whether specs are compiled here. */
import type { BusMessage } from '../bus/bus.ts';
import { kinds, type Prepared, prepareSchema, readMessage } from '../bus/messages.ts';
import { PlatformError } from '../protocol/errors.ts';
import { nodeLimits } from './limits.ts';

export class PreparedSpecs {
  readonly #options: {
    readonly prepare: (specId: string, control: string) => Promise<void>;
    readonly onOutage: () => void;
  };
  /** Answers by spec: each is given as often as it is asked for. */
  readonly #answers = new Map<string, Promise<Prepared>>();

  /**
   * `prepare`: fetches a spec from a control and lets the runners compile it; `onOutage`: is called when that control
   * could not be reached.
   */
  constructor(options: {
    readonly prepare: (specId: string, control: string) => Promise<void>;
    readonly onOutage: () => void;
  }) {
    this.#options = options;
  }

  /** Answers a question when the spec is compiled, or cannot be. Throws `bad_request` on a message that is none. */
  answer(message: BusMessage): void {
    const { specId, control } = readMessage(message.data, kinds.prepare, prepareSchema);
    let prepared = this.#answers.get(specId);
    if (prepared === undefined) {
      prepared = this.#prepare(specId, control);
      this.#answers.set(specId, prepared);
    }
    void prepared.then((answer) => message.answer(kinds.prepared, answer));
  }

  /** Forgets a spec that is not wanted any more. */
  forget(specId: string): void {
    this.#answers.delete(specId);
  }

  async #prepare(specId: string, control: string): Promise<Prepared> {
    try {
      await this.#options.prepare(specId, control);
      // Asked again within this time, when the answer was lost.
      setTimeout(() => this.#answers.delete(specId), nodeLimits.blobMs).unref();
      return { error: null };
    } catch (error) {
      this.#answers.delete(specId);
      const isOutage = error instanceof PlatformError && error.code === 'unavailable';
      if (isOutage) this.#options.onOutage();
      const text = error instanceof Error ? error.message.replace(/^a runner cannot load it: /, '') : String(error);
      return { error: text, isOutage };
    }
  }
}
