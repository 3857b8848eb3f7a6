/**
 * One reader of the live log: takes frames from a tail and sends them one at a time, each after the previous one has
 * left the process. A reader that does not read costs one frame and its tail's buffer.
 */
import type { Logger } from 'pino';
import type { WebSocket } from 'ws';
import { KIB } from '../../protocol/limits.ts';
import type { HandlerId } from '../../protocol/names.ts';
import type { Handler } from '../handlers/handlers.ts';
import type { LogTail } from '../logs/log-tail.ts';
import type { Caller } from './operation.ts';

export const streamLimits = {
  /** Open streams of one user: one per screen, and some CI jobs. */
  perUser: 50,
  /** Open streams of all users; each holds at most one frame and a tail's buffer. */
  all: 1_000,
  /** Milliseconds after which a reader that takes no byte of a frame is closed with 1013. */
  stallMs: 20_000,
  /** Milliseconds between two pings. A reader that has not answered the previous ping counts as gone. */
  heartbeatMs: 30_000,
  /**
   * Milliseconds between two checks for Tokens that another control has revoked and handlers that it has deleted; their
   * streams end at the next check. What this control does ends streams at once.
   */
  recheckMs: 5_000,
  /** Bytes of a message from a reader; readers have nothing to send. */
  messageBytes: KIB,
  /** Milliseconds that a reader gets to answer a close frame. */
  closeMs: 2_000,
} as const;

export type StreamLimits = { readonly [Name in keyof typeof streamLimits]: number };

export const closeCodes = {
  stopping: 1001,
  internal: 1011,
  tooSlow: 1013,
  revoked: 4401,
  forbidden: 4403,
  deleted: 4404,
} as const;

export class LogReader {
  readonly userId: string;
  readonly tokenId: string;
  readonly handlerId: HandlerId;
  /** Resolves when the socket has closed. */
  readonly ended: Promise<void>;
  readonly #socket: WebSocket;
  readonly #tail: LogTail;
  readonly #limits: StreamLimits;
  readonly #log: Logger;
  readonly #heartbeat: NodeJS.Timeout;

  constructor(
    socket: WebSocket,
    options: {
      readonly caller: Caller;
      readonly handler: Handler;
      readonly tail: LogTail;
      readonly limits: StreamLimits;
      readonly log: Logger;
    },
  ) {
    this.userId = options.caller.user.id;
    this.tokenId = options.caller.tokenId;
    this.handlerId = options.handler.id;
    this.#socket = socket;
    this.#tail = options.tail;
    this.#limits = options.limits;
    this.#log = options.log;
    let answered = true;
    socket.on('pong', () => {
      answered = true;
    });
    this.#heartbeat = setInterval(() => {
      if (!answered) return socket.terminate();
      answered = false;
      socket.ping();
    }, this.#limits.heartbeatMs);
    this.#heartbeat.unref();
    socket.on('error', () => socket.terminate());
    this.ended = new Promise((resolve) =>
      socket.once('close', () => {
        clearInterval(this.#heartbeat);
        this.#tail.close();
        resolve();
      }),
    );
    void this.#run();
  }

  /** Sends a close frame, and destroys the socket of a reader that does not answer it. */
  close(code: number, reason: string): void {
    this.#tail.close();
    this.#socket.close(code, reason);
    const timer = setTimeout(() => this.#socket.terminate(), this.#limits.closeMs);
    void this.ended.then(() => clearTimeout(timer));
  }

  async #run(): Promise<void> {
    try {
      for (;;) {
        const frame = await this.#tail.next();
        if (frame === null || this.#socket.readyState !== this.#socket.OPEN) return;
        if (!(await this.#send(JSON.stringify(frame)))) return this.close(closeCodes.tooSlow, 'reader too slow');
      }
    } catch (error) {
      this.#log.error({ err: error, handler: this.handlerId }, 'a log stream failed');
      this.close(closeCodes.internal, 'something failed on our side');
    }
  }

  /** Sends `text`. Resolves with false when the reader has taken no byte for too long. */
  #send(text: string): Promise<boolean> {
    return new Promise((resolve) => {
      let buffered = Number.POSITIVE_INFINITY;
      const timer = setInterval(() => {
        // Counts progress within a frame: a reader on a slow line is not stalled.
        if (this.#socket.bufferedAmount >= buffered) done(false);
        buffered = this.#socket.bufferedAmount;
      }, this.#limits.stallMs / 2);
      const done = (sent: boolean) => {
        clearInterval(timer);
        resolve(sent);
      };
      // After an error the socket is closing, which the loop above sees.
      this.#socket.send(text, () => done(true));
    });
  }
}
