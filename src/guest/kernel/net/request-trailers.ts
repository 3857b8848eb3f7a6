/**
 * Sends the trailers of requests (RFC 9112 7.1.2). undici has none: it writes the end of a chunked body, last chunk and empty
 * trailer section, in one piece, in whose place they are written.
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

  /** Says that a request is sent whose trailers `trailers` returns when its body has ended; null: it has none. */
  begin(trailers: (() => readonly HttpField[]) | null): void {
    this.#trailers = trailers;
  }

  /** Makes `socket.write()` write the trailers. Returns `socket`. */
  on(socket: Socket): Socket {
    const write = socket.write;
    const end = (): string => {
      const sent = (this.#trailers?.() ?? []).filter(([name]) => !ofHead.has(name.toLowerCase()));
      const lines = sent.map(([name, value]) => `${name}: ${Buffer.from(value).toString('latin1')}\r\n`);
      return `\r\n0\r\n${lines.join('')}\r\n`;
    };
    socket.write = (...[chunk, ...rest]: unknown[]): boolean =>
      // The arguments are those of a call of write, with text for text.
      Reflect.apply(write, socket, [chunk === lastChunk ? end() : chunk, ...rest]) as boolean;
    return socket;
  }
}
