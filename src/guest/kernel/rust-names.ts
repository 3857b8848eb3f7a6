/**
 * Reads names that rustc gives to functions: v0 (RFC 2603) and the form before it. Linkers leave them as they are in
 * modules of WebAssembly.
 */

const limits = {
  /** Characters of a name that is read: longer ones stay as they are. */
  nameChars: 4096,
  /** Characters of a result: a reference back can double what a name says. */
  textChars: 2048,
  /** Paths and types within each other. */
  depth: 64,
} as const;

/** Returns `std::process::abort` for what rustc makes of it; any other name, and a malformed one, unchanged. */
export function readableName(name: string): string {
  if (name.length > limits.nameChars) return name;
  try {
    if (name.startsWith('_R')) return new V0Reader(name.slice(2)).symbol();
    if (name.startsWith('_ZN')) return legacyName(name) ?? name;
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
  }
  return name;
}

class Malformed extends Error {}

const escapes: Readonly<Record<string, string>> = {
  SP: '@',
  BP: '*',
  RF: '&',
  LT: '<',
  GT: '>',
  LP: '(',
  RP: ')',
  C: ',',
};

/** Returns the path of a name that ends with a hash, as rustc alone writes it; null for one of C++. */
function legacyName(name: string): string | null {
  const parts: string[] = [];
  let at = 3;
  while (name[at] !== 'E') {
    const digits = /^[1-9]\d{0,3}/.exec(name.slice(at, at + 4))?.[0];
    if (digits === undefined) return null;
    at += digits.length;
    const part = name.slice(at, at + Number(digits));
    if (part.length < Number(digits)) return null;
    parts.push(part);
    at += part.length;
  }
  if (!/^h[0-9a-f]{16}$/.test(parts.pop() ?? '')) return null;
  return parts.map(legacyPart).join('::');
}

function legacyPart(part: string): string {
  return part
    .replace(/^_(?=\$)/, '')
    .replace(/\$(?:u([0-9a-f]{1,6})|([A-Z]+))\$/g, (whole, code: string | undefined, word: string | undefined) =>
      code === undefined ? (escapes[word ?? ''] ?? whole) : character(Number.parseInt(code, 16)),
    )
    .replaceAll('..', '::');
}

function character(code: number): string {
  if (code > 0x10ffff) throw new Malformed();
  return String.fromCodePoint(code);
}

const basicTypes: Readonly<Record<string, string>> = {
  a: 'i8',
  b: 'bool',
  c: 'char',
  d: 'f64',
  e: 'str',
  f: 'f32',
  h: 'u8',
  i: 'isize',
  j: 'usize',
  l: 'i32',
  m: 'u32',
  n: 'i128',
  o: 'u128',
  p: '_',
  s: 'i16',
  t: 'u16',
  u: '()',
  v: '...',
  x: 'i64',
  y: 'u64',
  z: '!',
};

/** Reads a name of v0 behind its `_R`. */
class V0Reader {
  readonly #text: string;
  /** Offset in `#text` of what is read next, in characters. */
  #at = 0;
  /** Number of paths and types that are being read within each other. */
  #depth = 0;
  /** Characters that parts of the name have given so far. */
  #given = 0;

  constructor(text: string) {
    this.#text = text;
  }

  symbol(): string {
    const path = this.#path(true);
    // The crate that instantiates may follow, and a suffix of a vendor, which begins with `.` or `$`.
    if (this.#at < this.#text.length && !/[.$]/.test(this.#text[this.#at] as string)) this.#path(true);
    if (this.#at < this.#text.length && !/[.$]/.test(this.#text[this.#at] as string)) throw new Malformed();
    return path;
  }

  /** `isValue`: generic arguments are written with `::` before them. */
  #path(isValue: boolean): string {
    return this.#nested(() => {
      const tag = this.#next();
      switch (tag) {
        case 'C':
          return this.#identifier().text;
        case 'M':
          this.#implPath();
          return `<${this.#type()}>`;
        case 'X':
          this.#implPath();
          return `<${this.#type()} as ${this.#path(false)}>`;
        case 'Y':
          return `<${this.#type()} as ${this.#path(false)}>`;
        case 'N':
          return this.#member(isValue);
        case 'I': {
          const path = this.#path(isValue);
          return `${path}${isValue ? '::' : ''}<${this.#list(() => this.#genericArgument()).join(', ')}>`;
        }
        case 'B':
          return this.#back(() => this.#path(isValue));
        default:
          throw new Malformed();
      }
    });
  }

  #member(isValue: boolean): string {
    const namespace = this.#next();
    if (!/[a-zA-Z]/.test(namespace)) throw new Malformed();
    const path = this.#path(isValue);
    const { text, number } = this.#identifier();
    if (namespace >= 'a') return text === '' ? path : `${path}::${text}`;
    const word = namespace === 'C' ? 'closure' : namespace === 'S' ? 'shim' : namespace;
    return `${path}::{${word}${text === '' ? '' : `:${text}`}#${number}}`;
  }

  #implPath(): void {
    this.#optionalNumber('s');
    this.#path(false);
  }

  #genericArgument(): string {
    if (this.#take('L')) return this.#lifetime();
    return this.#take('K') ? this.#constant() : this.#type();
  }

  #lifetime(): string {
    return this.#base62() === 0 ? "'_" : "'a";
  }

  #type(): string {
    return this.#nested(() => {
      const tag = this.#peek();
      const basic = basicTypes[tag];
      if (basic !== undefined) {
        this.#at += 1;
        return basic;
      }
      if (/[CMXYNI]/.test(tag)) return this.#path(false);
      this.#at += 1;
      switch (tag) {
        case 'A':
          return `[${this.#type()}; ${this.#constant()}]`;
        case 'S':
          return `[${this.#type()}]`;
        case 'T': {
          const types = this.#list(() => this.#type());
          return types.length === 1 ? `(${types[0]},)` : `(${types.join(', ')})`;
        }
        case 'R':
        case 'Q':
          if (this.#take('L')) this.#lifetime();
          return `&${tag === 'Q' ? 'mut ' : ''}${this.#type()}`;
        case 'P':
          return `*const ${this.#type()}`;
        case 'O':
          return `*mut ${this.#type()}`;
        case 'F':
          return this.#functionType();
        case 'D':
          return this.#dynType();
        case 'B':
          return this.#back(() => this.#type());
        default:
          throw new Malformed();
      }
    });
  }

  #functionType(): string {
    this.#optionalNumber('G');
    const unsafety = this.#take('U') ? 'unsafe ' : '';
    const abi = this.#take('K') ? `extern "${this.#take('C') ? 'C' : this.#bytes()}" ` : '';
    const parameters = this.#list(() => this.#type()).join(', ');
    const result = this.#type();
    return `${unsafety}${abi}fn(${parameters})${result === '()' ? '' : ` -> ${result}`}`;
  }

  #dynType(): string {
    this.#optionalNumber('G');
    const traits = this.#list(() => {
      let trait = this.#path(false);
      while (this.#take('p')) trait = `${trait}<${this.#bytes()} = ${this.#type()}>`;
      return trait;
    });
    if (!this.#take('L')) throw new Malformed();
    this.#lifetime();
    return `dyn ${traits.join(' + ')}`;
  }

  #constant(): string {
    return this.#nested(() => {
      if (this.#take('B')) return this.#back(() => this.#constant());
      const type = this.#type();
      if (type === '_') return '_';
      const sign = this.#take('n') ? '-' : '';
      const hex = /^[0-9a-f]{0,32}_/.exec(this.#text.slice(this.#at, this.#at + 33))?.[0];
      if (hex === undefined) throw new Malformed();
      this.#at += hex.length;
      const value = BigInt(`0x0${hex.slice(0, -1)}`);
      return type === 'bool' ? String(value !== 0n) : `${sign}${value}`;
    });
  }

  #identifier(): { readonly text: string; readonly number: number } {
    const number = this.#optionalNumber('s');
    return { text: this.#bytes(), number };
  }

  /** Reads an identifier without its number. One with characters outside of ASCII stays in Punycode. */
  #bytes(): string {
    this.#take('u');
    const digits = /^(0|[1-9]\d{0,4})/.exec(this.#text.slice(this.#at, this.#at + 5))?.[0];
    if (digits === undefined) throw new Malformed();
    this.#at += digits.length;
    this.#take('_');
    const end = this.#at + Number(digits);
    if (end > this.#text.length) throw new Malformed();
    const text = this.#text.slice(this.#at, end);
    this.#at = end;
    return text;
  }

  /** Reads `tag` and its number, which counts from 1. Returns 0 if the tag is not there. */
  #optionalNumber(tag: string): number {
    return this.#take(tag) ? this.#base62() + 1 : 0;
  }

  #base62(): number {
    const digits = /^[0-9a-zA-Z]{0,12}_/.exec(this.#text.slice(this.#at, this.#at + 13))?.[0];
    if (digits === undefined) throw new Malformed();
    this.#at += digits.length;
    let value = 0;
    for (const digit of digits.slice(0, -1)) value = value * 62 + base62Digits.indexOf(digit);
    return digits === '_' ? 0 : value + 1;
  }

  /** Reads what stands at an earlier place. */
  #back(read: () => string): string {
    const from = this.#at - 1;
    const place = this.#base62();
    if (place >= from) throw new Malformed();
    const after = this.#at;
    this.#at = place;
    const text = read();
    this.#at = after;
    return text;
  }

  #list(read: () => string): string[] {
    const all: string[] = [];
    while (!this.#take('E')) all.push(read());
    return all;
  }

  #nested(read: () => string): string {
    this.#depth += 1;
    if (this.#depth > limits.depth) throw new Malformed();
    const text = read();
    this.#depth -= 1;
    this.#given += text.length;
    if (text.length > limits.textChars || this.#given > limits.depth * limits.textChars) throw new Malformed();
    return text;
  }

  #take(tag: string): boolean {
    if (this.#text[this.#at] !== tag) return false;
    this.#at += 1;
    return true;
  }

  #peek(): string {
    return this.#text[this.#at] ?? '';
  }

  #next(): string {
    const tag = this.#peek();
    this.#at += 1;
    return tag;
  }
}

const base62Digits = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';
