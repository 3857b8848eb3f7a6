/** The runner's end of the channel to control. */
import { PlatformError } from '../protocol/errors.ts';
import type { BusRequest, FromRunner, ToRunner } from '../protocol/messages.ts';
import { busRequestsMax } from './limits.ts';

/** What node:child_process gives the child: `process` itself. */
export interface Channel {
  readonly connected: boolean;
  send?(message: FromRunner, handle: undefined, options: undefined, sent: (error: Error | null) => void): boolean;
  on(event: 'message', listener: (message: unknown) => void): unknown;
  on(event: 'disconnect', listener: () => void): unknown;
}

interface Waiting {
  readonly resolve: (value: Uint8Array | null) => void;
  readonly reject: (reason: Error) => void;
}

export class ControlLink {
  readonly #channel: Channel;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;

  constructor(
    channel: Channel,
    listeners: {
      readonly message: (message: Exclude<ToRunner, { kind: 'reply' }>) => void;
      readonly lost: () => void;
    },
  ) {
    this.#channel = channel;
    channel.on('message', (raw) => {
      // Control is our own code: its messages are what src/protocol says.
      const message = raw as ToRunner;
      if (message.kind === 'reply') this.#reply(message);
      else listeners.message(message);
    });
    channel.on('disconnect', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('control is not there'));
      this.#waiting.clear();
      listeners.lost();
    });
  }

  get isConnected(): boolean {
    return this.#channel.connected;
  }

  /** False when there is nobody to send to. `sent` is called when the channel has taken it, or has failed. */
  send(message: FromRunner, sent: () => void = () => {}): boolean {
    if (!this.#channel.connected || this.#channel.send === undefined) return false;
    this.#channel.send(message, undefined, undefined, () => sent());
    return true;
  }

  /** Asks control; rejects with what it says, or when it goes away. */
  request(request: BusRequest): Promise<Uint8Array | null> {
    if (this.#waiting.size >= busRequestsMax) return Promise.reject(new Error('too many calls wait for control'));
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      if (this.send({ kind: 'request', id, request })) return;
      this.#waiting.delete(id);
      reject(new Error('control is not there'));
    });
  }

  #reply(message: Extract<ToRunner, { kind: 'reply' }>): void {
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (message.ok) waiting?.resolve(message.value);
    else waiting?.reject(new PlatformError(message.code, message.message));
  }
}
