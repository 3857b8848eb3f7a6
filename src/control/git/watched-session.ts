/** Watches one push on its way through git. */
import { PlatformError } from '../../protocol/errors.ts';
import type { Print, PushedObjects, PushSession, RefUpdate } from '../../protocol/push.ts';
import type { ObjectTime } from './object-time.ts';
import { anyErrorText } from './push-text.ts';
import type { PushRecord } from './repositories.ts';

/**
 * Records whether git has been allowed to move the refs. Where pushes are recorded for other controls, makes sure that
 * no push is accepted that is not recorded.
 */
export class WatchedSession implements PushSession {
  readonly #session: PushSession;
  readonly #record: PushRecord | null;
  readonly #updates: readonly RefUpdate[];
  readonly #stillMay: () => Promise<void>;
  readonly #objectTime: ObjectTime;
  #isSettled = false;
  #isRecorded = false;
  accepted = false;
  /** Reason for which a push that git has accepted is not recorded, so that it has not happened; null: none. */
  lost: unknown = null;

  /** `stillMay` rejects when who pushes may not do that any more. `objectTime` runs while the objects are read. */
  constructor(
    session: PushSession,
    options: {
      readonly record: PushRecord | null;
      readonly updates: readonly RefUpdate[];
      readonly stillMay: () => Promise<void>;
      readonly objectTime: ObjectTime;
    },
  ) {
    this.#session = session;
    this.#record = options.record;
    this.#updates = options.updates;
    this.#stillMay = options.stillMay;
    this.#objectTime = options.objectTime;
  }

  async preReceive(objects: PushedObjects, print: Print, signal: AbortSignal): Promise<boolean> {
    // git has unpacked them.
    this.#objectTime.stop();
    if (!(await this.#session.preReceive(this.#objectTime.counting(objects), print, signal))) return false;
    try {
      // Checking a module takes up to half a minute, in which a role, Token or account may have ended.
      await this.#stillMay();
    } catch (error) {
      print(`${anyErrorText(error)}nothing deployed\n`);
      return false;
    }
    // Without the hook git moves nothing, and may have ended by now.
    if (signal.aborted) return false;
    await this.#record?.begin();
    this.accepted = true;
    return true;
  }

  async refsMoved(print: Print): Promise<void> {
    const record = this.#record;
    if (record === null) return this.#session.refsMoved(print);
    try {
      await record.prepare(this.#updates);
      await this.#session.refsMoved(print);
      // The first Release has recorded the push; one without a Release is recorded here.
      await record.commit();
      this.#isRecorded = true;
    } catch (error) {
      this.lost = error;
    }
  }

  /**
   * Takes a push back that git was allowed to make and that is not recorded: git has not moved all refs, or the record
   * has failed.
   */
  async settle(): Promise<void> {
    if (this.#record === null || !this.accepted || this.#isSettled) return;
    this.#isSettled = true;
    if (this.#isRecorded) return;
    this.lost ??= new PlatformError('unavailable', 'git was ended on the server before the push was recorded');
    await this.#record.giveUp();
  }

  ended(): Promise<void> {
    return this.#session.ended();
  }
}
