/**
 * Reads the primitives of the binary format strictly (WebAssembly core specification, 5.2 Values): an over-long or
 * out-of-range LEB128, a name that is not UTF-8 and a read past the end fail with `module_invalid`. Every read moves
 * forward, so a loop over reads ends with the input.
 */
import { PlatformError } from '../../../protocol/errors.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Makes the error `module_invalid` for a malformed module. `offset` is a byte offset from the file's start. */
export function invalidModule(subject: string, problem: string, offset: number): PlatformError {
  return new PlatformError('module_invalid', `${subject} is not a valid WebAssembly module`, {
    details: [`${problem} @+${offset}`],
  });
}

export class ByteReader {
  readonly bytes: Uint8Array;
  /** Name of the module in messages: its path, or "the module". */
  readonly subject: string;
  /** Offset of the next byte. */
  pos = 0;
  /** Offset at which reads stop: the end of the file or of the section being read. */
  end: number;

  constructor(bytes: Uint8Array, subject: string) {
    this.bytes = bytes;
    this.subject = subject;
    this.end = bytes.length;
  }

  /** Throws `module_invalid`, always. */
  fail(problem: string, offset = this.pos): never {
    throw invalidModule(this.subject, problem, offset);
  }

  /**
   * Reads one byte. `what` names it in the error `module_invalid`, which this and the other methods throw at the end of
   * the input.
   */
  u8(what: string): number {
    if (this.pos >= this.end) this.fail(`unexpected end, expected ${what}`);
    return this.bytes[this.pos++]!;
  }

  /** Reads an unsigned LEB128 of 32 bits (5.2.2). */
  u32(what: string): number {
    const start = this.pos;
    let result = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.u8(what);
      if (shift === 28 && byte > 0x0f) this.fail(`${what}: LEB128 too long or too large`, start);
      result |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    return result >>> 0;
  }

  /**
   * Reads a count of entries that take at least `entryBytes` each. Fails for a count that cannot fit into the input,
   * before anything is allocated.
   */
  count(what: string, entryBytes = 1): number {
    const start = this.pos;
    const count = this.u32(`number of ${what}`);
    if (count * entryBytes > this.end - this.pos)
      this.fail(`${count} ${what} declared, but only ${this.end - this.pos} bytes follow`, start);
    return count;
  }

  /** Reads a signed LEB128 of 33 bits (block and heap types) as a JavaScript number. */
  s33(what: string): number {
    const start = this.pos;
    let result = 0;
    let scale = 1;
    for (let index = 0; ; index++) {
      const byte = this.u8(what);
      if (index === 4) {
        const top = byte & 0x70;
        if (byte >= 0x80 || (top !== 0 && top !== 0x70)) this.fail(`${what}: LEB128 too long or too large`, start);
      }
      result += (byte & 0x7f) * scale;
      scale *= 128;
      if (byte < 0x80) return (byte & 0x40) === 0 ? result : result - scale;
    }
  }

  /** Reads a signed LEB128 of 32 bits. */
  s32(what: string): number {
    const start = this.pos;
    this.skipSigned(32, what);
    let result = 0;
    for (let at = start, shift = 0; at < this.pos; at++, shift += 7) result |= (this.bytes[at]! & 0x7f) << shift;
    const unused = 32 - 7 * (this.pos - start);
    return unused > 0 ? (result << unused) >> unused : result;
  }

  /** Checks and skips a signed LEB128 of 32 or 64 bits. */
  skipSigned(bits: 32 | 64, what: string): void {
    const start = this.pos;
    const last = bits === 32 ? 4 : 9;
    // The bits of the last byte above the value must repeat its sign (5.2.2 Integers).
    const mask = bits === 32 ? 0x78 : 0x7f;
    for (let index = 0; ; index++) {
      const byte = this.u8(what);
      if (index === last && byte !== (byte & ~mask) && (byte & mask) !== mask)
        this.fail(`${what}: LEB128 too long or too large`, start);
      if (index === last && byte >= 0x80) this.fail(`${what}: LEB128 too long or too large`, start);
      if (byte < 0x80) return;
    }
  }

  /** Moves the position on by `bytes`. */
  skip(bytes: number, what: string): void {
    if (bytes > this.end - this.pos) this.fail(`unexpected end, expected ${bytes} bytes of ${what}`);
    this.pos += bytes;
  }

  /** Reads a name (5.2.4): its length, and its bytes in UTF-8. */
  name(what: string): string {
    const length = this.u32(`length of ${what}`);
    const start = this.pos;
    this.skip(length, what);
    try {
      return utf8.decode(this.bytes.subarray(start, this.pos));
    } catch {
      return this.fail(`${what} is not valid UTF-8`, start);
    }
  }
}
