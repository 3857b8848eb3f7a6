/** Finds room for a push in the quota of the user who owns the handler. */
import type { HandlerId } from '../../protocol/names.ts';
import type { HandlerKind } from '../../protocol/nouns.ts';
import type { IncomingPush } from '../../protocol/push.ts';
import type { Repositories } from '../git/repositories.ts';
import type { DeploymentRetention } from './deployment-retention.ts';
import { nearQuota } from './push-words.ts';

/** Quota of a user, as far as a push needs it. */
export interface PushQuota {
  /** Returns the bytes that the user may store. */
  quotaOf(userId: string): Promise<number>;
  /** Throws `limit_exceeded` unless the user may store `bytes` more. */
  admit(userId: string, bytes: number): Promise<void>;
  usedBytes(userId: string): Promise<number>;
  /** Measures what a handler stores. */
  measure(handlerId: HandlerId, kinds: readonly HandlerKind[]): Promise<void>;
}

export interface PushRoomParts {
  readonly quota: PushQuota;
  readonly repositories: Pick<Repositories, 'bytes'>;
  readonly retention: Pick<DeploymentRetention, 'trim'>;
}

/** Share of the quota from which a push prints a warning. */
const warnShare = 0.9;

export class PushRoom {
  readonly #parts: PushRoomParts;
  readonly #push: Pick<IncomingPush, 'handlerId' | 'handlerExists'>;
  /** Id of the user whose quota the push uses. */
  #ownerId = '';
  /** Bytes of the pushed pack that the owner's measured usage does not contain yet. */
  #packBytes = 0;

  constructor(parts: PushRoomParts, push: Pick<IncomingPush, 'handlerId' | 'handlerExists'>) {
    this.#parts = parts;
    this.#push = push;
  }

  /**
   * Begins with the owner's quota. Throws `limit_exceeded` when the pack does not fit into it. `hasPack`: whether the
   * push brings commits; deletions of refs need no room, and may free some.
   */
  async open({ ownerId, hasPack }: { readonly ownerId: string; readonly hasPack: boolean }): Promise<void> {
    this.#ownerId = ownerId;
    if (!hasPack) return;
    const { handlerId, handlerExists } = this.#push;
    // An existing handler's measured usage contains the pack: git keeps it in the repository's folder until it accepts
    // the push.
    if (handlerExists) await this.measure();
    else this.#packBytes = await this.#parts.repositories.bytes(handlerId);
    await this.#admit(this.#packBytes);
  }

  /**
   * Throws `limit_exceeded` when the pack and `bytes` more do not fit. Returns a warning when they nearly fill the
   * quota, else null.
   */
  async admit(bytes: number): Promise<string | null> {
    const { quota } = this.#parts;
    const newBytes = this.#packBytes + bytes;
    await this.#admit(newBytes);
    const usedBytes = (await quota.usedBytes(this.#ownerId)) + newBytes;
    const quotaBytes = await quota.quotaOf(this.#ownerId);
    return usedBytes > quotaBytes * warnShare ? nearQuota(usedBytes, quotaBytes) : null;
  }

  /** Measures what the handler's pushes store. */
  measure(): Promise<void> {
    return this.#parts.quota.measure(this.#push.handlerId, ['repositories', 'artifacts']);
  }

  /**
   * Throws `limit_exceeded` when `bytes` more do not fit into the owner's quota. Before that, old Deployments of this
   * handler that are not served are dropped to make room.
   */
  async #admit(bytes: number): Promise<void> {
    const { quota, retention } = this.#parts;
    const { handlerId, handlerExists } = this.#push;
    await quota.admit(this.#ownerId, bytes).catch(async (error: unknown) => {
      if (!handlerExists || (await retention.trim(handlerId, false)) === 0) throw error;
      await this.measure();
      await quota.admit(this.#ownerId, bytes);
    });
  }
}
