/**
 * Leaves responses with status 100 out of what a connection has received: a client must be able to parse them, asked
 * for or not (RFC 9110 15.2), and undici ends the connection instead. Other interim responses pass.
 */
import type { Socket } from 'node:net';
import { httpResponseLimits } from './http-exchange.ts';

/** How the bytes of such a response begin. */
const wanted = /^HTTP\/1\.[01] 100(?: |\r)/;
const wantedBytes = 'HTTP/1.1 100 '.length;
const nothing = Buffer.alloc(0);

export class InterimResponses {
  /** Whether the next bytes begin a response. */
  #isExpected = false;
  /** Bytes of a head that has not come whole. */
  #held: Buffer = nothing;
  /** Number of bytes that were left out since the request. */
  #dropped = 0;

  /** Says that a request is sent: a response comes next. */
  expect(): void {
    this.#isExpected = true;
    this.#held = nothing;
    this.#dropped = 0;
  }

  /** Makes `socket.read()` leave the responses out. Returns `socket`. */
  on(socket: Socket): Socket {
    const read = socket.read.bind(socket);
    socket.read = (bytes?: number): Buffer | null => {
      for (;;) {
        const chunk = read(bytes) as Buffer | null; // no encoding has been set
        if (chunk === null || !this.#isExpected) return chunk;
        const rest = this.#pass(chunk);
        if (rest.length > 0) return rest;
      }
    };
    return socket;
  }

  /** Returns the bytes that do not belong to an interim response; none while that is not known. */
  #pass(chunk: Buffer): Buffer {
    let bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    this.#held = nothing;
    for (;;) {
      const start = bytes.toString('latin1', 0, wantedBytes);
      const isWhole = bytes.length >= wantedBytes;
      if (isWhole ? !wanted.test(start) : !'HTTP/1.'.startsWith(start.slice(0, 7))) break;
      const end = isWhole ? bytes.indexOf('\r\n\r\n') : -1;
      if (end < 0) {
        // A head that is too long is the client's to refuse.
        if (this.#dropped + bytes.length > httpResponseLimits.headBytes) break;
        this.#held = bytes;
        return nothing;
      }
      this.#dropped += end + 4;
      if (this.#dropped > httpResponseLimits.headBytes) break;
      bytes = bytes.subarray(end + 4);
      if (bytes.length === 0) return nothing;
    }
    this.#isExpected = false;
    return bytes;
  }
}
