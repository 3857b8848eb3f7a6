/**
 * Sends the trailers of requests (RFC 9112 7.1.2). undici has none: it writes the end of a chunked body, last chunk and
 * empty trailer section, in one piece, in whose place they are written. The head of a request with an empty body, which
 * it writes when the body has ended, becomes that of a chunked one.
 */
import type { Socket } from 'node:net';
import type { HttpField } from '../incoming-http.ts';

/** The end of a chunked body, after the data of the chunk before it. */
const lastChunk = '\r\n0\r\n\r\n';

/** Fields that say how a message is framed, sent on or read (RFC 9110 6.5.1), and that of the platform: no trailers. */
const ofHead: ReadonlySet<string> = new Set([
  'authorization',
  'cache-control',
  'content-encoding',
  'content-length',
  'content-range',
  'content-type',
  'cookie',
  'expect',
  'max-forwards',
  'te',
  'trailer',
  'trisiel-handler',
]);

export class RequestTrailers {
  /** Returns the trailers of the request in progress, once its body has ended; null: there are none. */
  #trailers: (() => readonly HttpField[]) | null = null;
  /** Whether the next text that is written is the head of the request. */
  #isHead = false;

  /** Says that a request is sent whose trailers `trailers` returns when its body has ended; null: it has none. */
  begin(trailers: (() => readonly HttpField[]) | null): void {
    this.#trailers = trailers;
    this.#isHead = true;
  }

  /** Makes `socket.write()` write the trailers. Returns `socket`. */
  on(socket: Socket): Socket {
    const write = socket.write;
    socket.write = (...[chunk, ...rest]: unknown[]): boolean =>
      // The arguments are those of a call of write, with text for text.
      Reflect.apply(write, socket, [typeof chunk === 'string' ? this.#instead(chunk) : chunk, ...rest]) as boolean;
    return socket;
  }

  /** Returns what is written in the place of `text`. */
  #instead(text: string): string {
    if (text === lastChunk) return `\r\n0\r\n${this.#lines()}\r\n`;
    const isHead = this.#isHead;
    this.#isHead = false;
    if (!isHead || !text.endsWith('\r\n\r\n')) return text;
    const lines = this.#lines();
    const head = text.slice(0, -2).replace(/\r\ncontent-length: 0\r\n$/, '\r\n');
    return lines === '' ? text : `${head}transfer-encoding: chunked\r\n\r\n0\r\n${lines}\r\n`;
  }

  #lines(): string {
    const sent = (this.#trailers?.() ?? []).filter(([name]) => !ofHead.has(name.toLowerCase()));
    return sent.map(([name, value]) => `${name}: ${Buffer.from(value).toString('latin1')}\r\n`).join('');
  }
}
