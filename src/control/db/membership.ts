/**
 * Registers a control in the table `controls`, with the URL at which other controls reach it, and keeps it alive there.
 * A control whose row has expired by the database's clock counts as ended: others take over what it held.
 */
import type { Database } from './database.ts';
import { databaseMsIn } from './database-clock.ts';

export const membershipLimits = {
  /** Milliseconds that a row lives without a renewal: with one look of another control it is at most 3.5 s. */
  ttlMs: 3_000,
  /** Milliseconds between two renewals: two may fail before the row expires. */
  renewMs: 750,
} as const;

export interface MembershipOptions {
  readonly db: Database;
  /** Id of the control's data folder. */
  readonly controlId: string;
  /** Id of this start of the control. */
  readonly bootId: string;
  /** Base URL at which other controls reach this one. */
  readonly url: string;
  /** Is called once when another start of a control with the same id has registered itself. */
  readonly onReplaced: () => void;
  readonly onError: (error: unknown) => void;
}

export class Membership {
  readonly #options: MembershipOptions;
  readonly #timer: NodeJS.Timeout;
  #isReplaced = false;
  #renewing: Promise<void> | null = null;

  private constructor(options: MembershipOptions) {
    this.#options = options;
    this.#timer = setInterval(() => {
      this.#renewing ??= this.#renew().finally(() => {
        this.#renewing = null;
      });
    }, membershipLimits.renewMs);
    this.#timer.unref();
  }

  /** Registers the control; an earlier start of it is replaced. Throws SqlError. */
  static async join(options: MembershipOptions): Promise<Membership> {
    const { db, controlId, bootId, url } = options;
    const row = { boot_id: bootId, url, expires_ms: databaseMsIn(db, membershipLimits.ttlMs) };
    await db
      .insertInto('controls')
      .values({ control_id: controlId, ...row })
      .onConflict((oc) => oc.column('control_id').doUpdateSet(row))
      .execute();
    return new Membership(options);
  }

  /** Whether no other start of a control with this id is known to have registered itself. */
  get isHeld(): boolean {
    return !this.#isReplaced;
  }

  /** Lets other controls take over at once. Never rejects. */
  async leave(): Promise<void> {
    clearInterval(this.#timer);
    await this.#renewing;
    const { db, controlId, bootId, onError } = this.#options;
    await db
      .updateTable('controls')
      .set({ expires_ms: 0 })
      .where('control_id', '=', controlId)
      .where('boot_id', '=', bootId)
      .execute()
      .catch(onError);
  }

  async #renew(): Promise<void> {
    const { db, controlId, bootId, onError, onReplaced } = this.#options;
    if (this.#isReplaced) return;
    try {
      const { numUpdatedRows } = await db
        .updateTable('controls')
        .set({ expires_ms: databaseMsIn(db, membershipLimits.ttlMs) })
        .where('control_id', '=', controlId)
        .where('boot_id', '=', bootId)
        .executeTakeFirst();
      if (numUpdatedRows > 0n) return;
      this.#isReplaced = true;
      onReplaced();
    } catch (error) {
      // Where the database cannot be reached, no other control can take over meanwhile.
      onError(error);
    }
  }
}
