/** The runner's end of the channel to control. */
import { PlatformError } from '../protocol/errors.ts';
import type { FromRunner, RunnerRequest, ToRunner } from '../protocol/messages.ts';
import { busRequestsMax } from './limits.ts';
import type { Fate, LogBatch } from './log-buffer.ts';
import type { UsageBatch } from './usage-reporter.ts';

/** What node:child_process gives the child: `process` itself. */
export interface Channel {
  readonly connected: boolean;
  send?(message: FromRunner, handle: undefined, options: undefined, sent: (error: Error | null) => void): boolean;
  on(event: 'message', listener: (message: unknown) => void): unknown;
  on(event: 'disconnect', listener: () => void): unknown;
}

/** What the link does not answer by itself. */
export type ToRunnerItself = Exclude<ToRunner, { kind: 'reply' | 'received' }>;

interface Waiting {
  readonly resolve: (value: Uint8Array | null) => void;
  readonly reject: (reason: Error) => void;
}

/** A call of control (kv, queue) while there is none: nothing was done, or nobody knows whether it was. */
export class ControlAway extends Error {
  constructor() {
    super('control is not there');
  }
}

export class ControlLink {
  readonly #channel: Channel;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  /** Batches that control has not stored yet, by number. */
  readonly #delivered = new Map<number, (fate: Fate) => void>();
  #lastNumber = 0;
  #isLeaving = false;

  constructor(
    channel: Channel,
    listeners: {
      readonly message: (message: ToRunnerItself) => void;
      readonly lost: () => void;
    },
  ) {
    this.#channel = channel;
    channel.on('message', (raw) => {
      // Control is our own code: its messages are what src/protocol says.
      const message = raw as ToRunner;
      if (message.kind === 'reply') this.#reply(message);
      else if (message.kind === 'received') this.#settle(message.number, message.isLost ? 'lost' : 'stored');
      else listeners.message(message);
    });
    channel.on('disconnect', () => {
      for (const { reject } of this.#waiting.values()) reject(new ControlAway());
      this.#waiting.clear();
      for (const number of [...this.#delivered.keys()]) this.#settle(number, 'failed');
      listeners.lost();
    });
  }

  get isConnected(): boolean {
    return this.#channel.connected;
  }

  /**
   * Sends to control. Returns false where there is none. Else calls `sent` once: with true when the message has been
   * written to the channel, with false when that failed and control will not see it.
   */
  send(message: FromRunner, sent: (isTaken: boolean) => void = () => {}): boolean {
    if (!this.#channel.connected || this.#channel.send === undefined) return false;
    this.#channel.send(message, undefined, undefined, (error) => sent(error === null));
    return true;
  }

  /**
   * Hands log lines or usage to control, as a SendBatch.
   */
  deliver(
    content: ({ readonly kind: 'logs' } & LogBatch) | ({ readonly kind: 'usage' } & UsageBatch),
    sent: (fate: Fate) => void,
  ): boolean {
    if (this.#isLeaving) return false;
    this.#lastNumber += 1;
    const number = this.#lastNumber;
    this.#delivered.set(number, sent);
    const isSending = this.send({ ...content, number }, (isTaken) => {
      if (!isTaken) this.#settle(number, 'failed');
    });
    if (!isSending) this.#delivered.delete(number);
    return isSending;
  }

  /** Closes the way to a control that ends: nothing that it would not read is delivered any more. */
  leave(): void {
    this.#isLeaving = true;
  }

  /** Asks control. Rejects with what it says, or with ControlAway. */
  request(request: RunnerRequest): Promise<Uint8Array | null> {
    if (this.#waiting.size >= busRequestsMax) return Promise.reject(new Error('too many calls wait for control'));
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      if (this.send({ kind: 'request', id, request })) return;
      this.#waiting.delete(id);
      reject(new ControlAway());
    });
  }

  #settle(number: number, fate: Fate): void {
    const sent = this.#delivered.get(number);
    this.#delivered.delete(number);
    sent?.(fate);
  }

  #reply(message: Extract<ToRunner, { kind: 'reply' }>): void {
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (message.ok) waiting?.resolve(message.value);
    else waiting?.reject(new PlatformError(message.code, message.message));
  }
}
