/** Writes primitives of the binary format to a growing buffer. It grows by doubling, so memory stays linear. */
export class ByteWriter {
  bytes: Uint8Array;
  /** Number of bytes written. */
  length = 0;

  constructor(capacity: number) {
    this.bytes = new Uint8Array(Math.max(capacity, 64));
  }

  /** Makes room for `count` more bytes, which the caller may then store in `bytes` directly. */
  reserve(count: number): void {
    const needed = this.length + count;
    if (needed <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.bytes.length * 2));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }

  u8(value: number): void {
    this.reserve(1);
    this.bytes[this.length++] = value;
  }

  /** Writes an opcode with one unsigned immediate. */
  instruction(opcode: number, immediate: number): void {
    this.reserve(6);
    this.bytes[this.length++] = opcode;
    if (immediate < 0x80) this.bytes[this.length++] = immediate;
    else this.u32(immediate);
  }

  /** Writes an unsigned LEB128 of 32 bits (5.2.2). */
  u32(value: number): void {
    this.reserve(5);
    value >>>= 0;
    while (value >= 0x80) {
      this.bytes[this.length++] = (value & 0x7f) | 0x80;
      value >>>= 7;
    }
    this.bytes[this.length++] = value;
  }

  /** Writes a signed LEB128 of 32 bits (5.2.2). */
  s32(value: number): void {
    this.reserve(5);
    for (;;) {
      const byte = value & 0x7f;
      value >>= 7;
      if ((value === 0 && (byte & 0x40) === 0) || (value === -1 && (byte & 0x40) !== 0)) {
        this.bytes[this.length++] = byte;
        return;
      }
      this.bytes[this.length++] = byte | 0x80;
    }
  }

  /** Copies the bytes of `source` from `start` up to `end`. */
  raw(source: Uint8Array, start = 0, end = source.length): void {
    const count = end - start;
    this.reserve(count);
    const { bytes, length } = this;
    // A loop is cheaper for few bytes than the setup of subarray() and set().
    if (count < 48) for (let index = 0; index < count; index++) bytes[length + index] = source[start + index]!;
    else bytes.set(source.subarray(start, end), length);
    this.length = length + count;
  }

  name(text: string): void {
    const encoded = Buffer.from(text, 'utf8');
    this.u32(encoded.length);
    this.raw(encoded);
  }

  /** Runs `body` and inserts the size of its output, as LEB128, before the output. */
  sized(body: () => void): void {
    this.reserve(5);
    const start = this.length;
    this.length += 5;
    body();
    const size = this.length - start - 5;
    const width = size < 0x80 ? 1 : size < 0x4000 ? 2 : size < 0x20_0000 ? 3 : size < 0x1000_0000 ? 4 : 5;
    this.bytes.copyWithin(start + width, start + 5, this.length);
    this.length = start;
    this.u32(size);
    this.length = start + width + size;
  }

  section(id: number, body: () => void): void {
    this.u8(id);
    this.sized(body);
  }

  /** Returns the bytes written so far, without a copy. */
  view(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }
}
