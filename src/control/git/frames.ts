/**
 * Encodes and decodes the frames between a hook and control on a local socket: two big-endian 32-bit lengths, a JSON
 * head, bytes. hooks/pre-receive implements the other side.
 */
import { PlatformError } from '../../protocol/errors.ts';
import { ChunkQueue } from './chunk-queue.ts';

export interface Frame {
  readonly head: unknown;
  readonly bytes: Buffer;
}

export interface FrameLimits {
  /** Bytes of the JSON head. */
  readonly headBytes: number;
  /** Bytes behind the head. */
  readonly bytes: number;
}

/** Returns one whole frame; `head` is written as JSON. */
export function encodeFrame(head: unknown, bytes: Uint8Array = new Uint8Array()): Buffer {
  const json = Buffer.from(JSON.stringify(head));
  const lengths = Buffer.alloc(8);
  lengths.writeUInt32BE(json.length, 0);
  lengths.writeUInt32BE(bytes.length, 4);
  return Buffer.concat([lengths, json, bytes]);
}

/** Cuts a stream of chunks of any size into frames. */
export class FrameReader {
  readonly #limits: FrameLimits;
  readonly #bytes = new ChunkQueue();

  constructor(limits: FrameLimits) {
    this.#limits = limits;
  }

  push(chunk: Buffer): void {
    this.#bytes.push(chunk);
  }

  /**
   * Returns the next whole frame, undefined while it is incomplete. Throws `bad_request` on a damaged or too large one.
   */
  next(): Frame | undefined {
    if (this.#bytes.length < 8) return undefined;
    const lengths = this.#bytes.peek(8);
    const headLength = lengths.readUInt32BE(0);
    const bytesLength = lengths.readUInt32BE(4);
    if (headLength > this.#limits.headBytes || bytesLength > this.#limits.bytes)
      throw new PlatformError('bad_request', `a hook sent a frame of ${headLength} + ${bytesLength} bytes`);
    const length = 8 + headLength + bytesLength;
    if (this.#bytes.length < length) return undefined;
    const frame = this.#bytes.take(length);
    try {
      return {
        head: JSON.parse(frame.toString('utf8', 8, 8 + headLength)),
        bytes: frame.subarray(8 + headLength),
      };
    } catch (cause) {
      throw new PlatformError('bad_request', 'a hook sent a frame that is not JSON', { cause });
    }
  }
}
