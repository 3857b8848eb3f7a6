/**
 * Finds the records of an export in its bytes: lines of NDJSON, records of CSV (RFC 4180), whose fields may have line
 * ends.
 */

const quote = 0x22;
const lineEnd = 0x0a;

/** Takes the bytes of an export from its begin, in pieces of any length. */
export class RecordScanner {
  readonly #isQuotable: boolean;
  #isQuoted = false;
  #offset = 0;
  #records = 0;
  #lastBegin = 0;
  #end = 0;

  constructor(format: 'ndjson' | 'csv') {
    this.#isQuotable = format === 'csv';
  }

  /** Whole records so far; of CSV the first one is the header. */
  get records(): number {
    return this.#records;
  }

  /** Offset in bytes at which the last whole record begins; 0 where there is none. */
  get lastBegin(): number {
    return this.#lastBegin;
  }

  /** Offset in bytes behind the last whole record. */
  get end(): number {
    return this.#end;
  }

  /** Returns a scanner that has seen the whole records alone, and goes on behind them. */
  atEnd(): RecordScanner {
    const scanner = new RecordScanner(this.#isQuotable ? 'csv' : 'ndjson');
    scanner.#records = this.#records;
    scanner.#lastBegin = this.#lastBegin;
    scanner.#end = this.#end;
    scanner.#offset = this.#end;
    return scanner;
  }

  /** Scans the next `bytes`, which may end within a record. */
  push(bytes: Uint8Array): void {
    for (let index = 0; index < bytes.length; index += 1) {
      const byte = bytes[index];
      // A quote within a quoted field is doubled: it leaves the field and enters it again.
      if (byte === quote && this.#isQuotable) this.#isQuoted = !this.#isQuoted;
      else if (byte === lineEnd && !this.#isQuoted) {
        this.#records += 1;
        this.#lastBegin = this.#end;
        this.#end = this.#offset + index + 1;
      }
    }
    this.#offset += bytes.length;
  }
}

/** Returns the fields of one record of CSV, with or without its line end, or half of it. */
export function csvFields(record: string): readonly string[] {
  const fields: string[] = [];
  const field = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n?$)/y;
  for (let found = field.exec(record); found !== null; found = field.exec(record)) {
    fields.push(found[1] === undefined ? (found[2] ?? '') : found[1].replaceAll('""', '"'));
    if (found[3] !== ',') break;
  }
  return fields;
}
