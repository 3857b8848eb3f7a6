/** Writes the columns of a block of log lines (log-block.ts): numbers, runs, differences, texts. */
import { KIB } from './limits.ts';

/** Numbers different texts in the order in which they come. */
export class Dictionary {
  readonly words: string[] = [];
  readonly indexes: number[] = [];
  readonly #byWord = new Map<string, number>();
  #last = '';

  /** Adds the text of the next line. */
  add(word: string): void {
    const before = this.indexes.at(-1);
    if (before !== undefined && word === this.#last) {
      this.indexes.push(before);
      return;
    }
    let index = this.#byWord.get(word);
    if (index === undefined) {
      index = this.words.push(word) - 1;
      this.#byWord.set(word, index);
    }
    this.#last = word;
    this.indexes.push(index);
  }
}

/** Writes the columns of a block one behind the other. Its buffer grows by doubling. */
export class Columns {
  #bytes = new Uint8Array(KIB);
  /** Bytes used of `#bytes`. */
  #length = 0;

  /** Writes a whole number, 0 to 2^53 - 1, in groups of 7 bits, the lowest first. */
  number(value: number): void {
    this.#reserve(8);
    let rest = value;
    while (rest > 0x7f) {
      this.#bytes[this.#length] = (rest % 0x80) | 0x80;
      this.#length += 1;
      rest = Math.floor(rest / 0x80);
    }
    this.#bytes[this.#length] = rest;
    this.#length += 1;
  }

  /** Writes a whole number of at most 53 bits and its sign, which is bit 6 of the first byte. */
  signed(value: number): void {
    const size = Math.abs(value);
    const rest = Math.floor(size / 0x40);
    this.#reserve(1);
    this.#bytes[this.#length] = (size % 0x40) | (value < 0 ? 0x40 : 0) | (rest > 0 ? 0x80 : 0);
    this.#length += 1;
    if (rest > 0) this.number(rest);
  }

  /** Writes the values of a column as runs. `facet`: value of an item; the item itself by default. */
  runs<Item>(
    items: readonly Item[],
    write: (value: number) => void,
    facet: (item: Item) => number = (item) => item as number, // without `facet` items are numbers
  ): void {
    let at = 0;
    while (at < items.length) {
      const value = facet(items[at] as Item);
      let end = at + 1;
      while (end < items.length && facet(items[end] as Item) === value) end += 1;
      write(value);
      this.number(end - at);
      at = end;
    }
  }

  /** Writes the values of a column, each as its difference to the one before. `facet`: value of an item. */
  differences<Item>(items: readonly Item[], facet: (item: Item) => number): void {
    let before = 0;
    for (const item of items) {
      const value = facet(item);
      this.signed(value - before);
      before = value;
    }
  }

  /** Writes texts: their number, their lengths, the bytes of all. Returns the sum of the lengths. */
  texts(texts: readonly string[]): number {
    this.number(texts.length);
    let chars = 0;
    for (const { length } of texts) {
      this.number(length);
      chars += length;
    }
    // A unit that is no character becomes U+FFFD, also one unit.
    const bytes = Buffer.from(texts.join(''), 'utf8');
    this.number(bytes.length);
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
    return chars;
  }

  /** Returns what has been written, without a copy. */
  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(2 * this.#bytes.length, this.#length + bytes));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }
}
