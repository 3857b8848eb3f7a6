/**
 * Reads and writes git's pkt-line framing (gitprotocol-common(5), "pkt-line Format"): four hex digits give the length,
 * themselves included; 0000 is the flush packet. 0001 to 0003 belong to protocol version 2 and have no meaning in a
 * push, which is all that is read here.
 */
import { PlatformError } from '../../protocol/errors.ts';
import { ChunkQueue } from './chunk-queue.ts';

/** "The maximum length of a pkt-line's data component is 65516 bytes". */
export const pktDataBytesMax = 65_516;

export const flushPkt: Buffer = Buffer.from('0000');

/** Returns one packet. Throws RangeError above `pktDataBytesMax`. */
export function pktLine(data: string | Uint8Array): Buffer {
  const bytes = typeof data === 'string' ? Buffer.from(data) : data;
  if (bytes.length > pktDataBytesMax) throw new RangeError(`pkt-line of ${bytes.length} bytes`);
  return Buffer.concat([Buffer.from((bytes.length + 4).toString(16).padStart(4, '0')), bytes]);
}

/**
 * Returns `data` as packets of at most 65,520 bytes (gitprotocol-pack(5), side-band-64k). Band 1 carries git's own
 * data, 2 lines for the person, 3 a last word before the end.
 */
export function sideband(band: 1 | 2 | 3, data: string | Uint8Array): Buffer {
  const bytes = typeof data === 'string' ? Buffer.from(data) : data;
  const packets: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += pktDataBytesMax - 1) {
    packets.push(pktLine(Buffer.concat([Buffer.of(band), bytes.subarray(at, at + pktDataBytesMax - 1)])));
  }
  return Buffer.concat(packets);
}

/** A packet's data, or null for the flush packet. */
export type Packet = Buffer | null;

/** Cuts a stream of chunks of any size into packets. */
export class PktLineReader {
  readonly #bytes = new ChunkQueue();

  push(chunk: Uint8Array): void {
    this.#bytes.push(chunk);
  }

  /** Returns the next packet, undefined while it is incomplete. Throws `bad_request` on what is no pkt-line. */
  next(): Packet | undefined {
    if (this.#bytes.length < 4) return undefined;
    const head = this.#bytes.peek(4).toString('latin1');
    if (!/^[0-9a-fA-F]{4}$/.test(head)) throw malformed('a packet does not start with four hex digits');
    const length = Number.parseInt(head, 16);
    if (length === 0) {
      this.#bytes.take(4);
      return null;
    }
    if (length < 4 || length > pktDataBytesMax + 4) throw malformed(`a packet has the length ${head}`);
    if (this.#bytes.length < length) return undefined;
    return this.#bytes.take(length).subarray(4);
  }

  /** Returns the bytes that have not been returned as packets; the reader is empty afterwards. */
  rest(): Buffer {
    return this.#bytes.take(this.#bytes.length);
  }
}

function malformed(what: string): PlatformError {
  return new PlatformError('bad_request', `this is not a git request: ${what}`);
}
