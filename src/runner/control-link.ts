/** The runner's side of the channel to control. */
import { PlatformError } from '../protocol/errors.ts';
import type { FromRunner, RunnerRequest, ToRunner } from '../protocol/messages.ts';
import { busRequestsMax } from './limits.ts';
import type { Fate, LogBatch } from './log-buffer.ts';
import type { UsageBatch } from './usage-reporter.ts';

/** The part of `process` that node:child_process gives a child for messages. */
export interface Channel {
  readonly connected: boolean;
  /**
   * Sends a message; `sent` is called with null once it was written, else with the error. Returns false when the
   * channel is full.
   */
  send?(message: FromRunner, handle: undefined, options: undefined, sent: (error: Error | null) => void): boolean;
  on(event: 'message', listener: (message: unknown) => void): unknown;
  on(event: 'disconnect', listener: () => void): unknown;
}

/** Messages that the link does not handle itself. */
export type ToRunnerItself = Exclude<ToRunner, { kind: 'part' | 'reply' | 'received' }>;

interface Waiting {
  readonly resolve: (value: Uint8Array | null) => void;
  /** Value of a reply that comes in parts, as far as it has come; null: none has come. */
  bytes: Uint8Array | null;
  readonly reject: (reason: Error) => void;
}

/** Error of a request (kv, queue) while control cannot be reached: it was not executed, or its execution is unknown. */
export class ControlAway extends Error {
  constructor() {
    super('control is not there');
  }
}

export class ControlLink {
  readonly #channel: Channel;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  /** Batches that control has not confirmed, by number. */
  readonly #delivered = new Map<number, (fate: Fate) => void>();
  /** Number of the last batch. */
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
      // Control is the platform's own program: its messages have the types of src/protocol.
      const message = raw as ToRunner;
      if (message.kind === 'reply') this.#reply(message);
      else if (message.kind === 'part') this.#part(message);
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
   * Sends a message to control. Returns false when there is no control. Else calls `sent` once: with true when the
   * message has been written to the channel, with false when that failed, so that control will not see it.
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

  /** Stops deliveries to a control that ends, which would not read them any more. */
  leave(): void {
    this.#isLeaving = true;
  }

  /** Sends a request to control. Rejects with control's error, or with ControlAway. */
  request(request: RunnerRequest): Promise<Uint8Array | null> {
    if (this.#waiting.size >= busRequestsMax) return Promise.reject(new Error('too many calls wait for control'));
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject, bytes: null });
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

  #part({ id, part }: Extract<ToRunner, { kind: 'part' }>): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    waiting.bytes ??= new Uint8Array(part.totalBytes);
    waiting.bytes.set(part.bytes, part.offset);
  }

  #reply(message: Extract<ToRunner, { kind: 'reply' }>): void {
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (message.ok) waiting?.resolve(message.value ?? waiting.bytes);
    // A node that reaches no control, or a control that does not reach its database.
    else if (message.code === 'unavailable') waiting?.reject(new ControlAway());
    else waiting?.reject(new PlatformError(message.code, message.message));
  }
}
