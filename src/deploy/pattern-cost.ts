/**
 * An upper estimate of the steps that a backtracking engine takes to match a pattern against a URL.
 *
 * Each place where the engine may choose (how often to repeat, which alternative) multiplies what follows,
 * unless only one choice can go on: a repeated class directly followed by a character outside of it stops
 * in one place only. A repeated group that itself holds a choice is refused, since its choices multiply
 * with every repetition (`(a+)+`, `(a|a)*`).
 */
export const urlCharsMax = 4_096;

export interface Refused {
  readonly refused: string;
  readonly hint: string;
}

/** ASCII characters that an atom can match, and whether it may match others. */
interface Chars {
  readonly ascii: readonly boolean[];
  readonly others: boolean;
}

type Item =
  | { readonly kind: 'assertion'; readonly source: string }
  | { readonly kind: 'atom'; readonly chars: Chars; readonly min: number; readonly max: number }
  | { readonly kind: 'group'; readonly alternatives: readonly Sequence[]; readonly min: number; readonly max: number };
type Sequence = readonly Item[];

/** `source` compiles with the flag u. */
export function matchingCost(source: string): number | Refused {
  try {
    const alternatives = new Parser(source).parse();
    // The engine tries every start unless the pattern says where to begin; alternatives are tried in turn.
    return alternatives.reduce((sum, sequence) => {
      const starts = sequence[0]?.kind === 'assertion' && sequence[0].source === '^' ? 1 : urlCharsMax;
      return sum + starts * costOf(sequence, []);
    }, 0);
  } catch (error) {
    if (error instanceof Refusal) return error.reason;
    throw error;
  }
}

class Refusal extends Error {
  readonly reason: Refused;
  constructor(refused: string, hint: string) {
    super(refused);
    this.reason = { refused, hint };
  }
}

/** Steps for `sequence` when `after` follows it: choices multiply, and a repetition also costs its length once. */
function costOf(sequence: Sequence, after: Sequence): number {
  let choices = 1;
  let longest = 1;
  sequence.forEach((item, index) => {
    if (item.kind === 'assertion') return;
    const rest = [...sequence.slice(index + 1), ...after];
    const repeats = Math.min(item.max, urlCharsMax) - item.min + 1;
    if (item.kind === 'atom') {
      longest = Math.max(longest, repeats);
      if (repeats > 1 && !stopsInOnePlace(item.chars, rest)) choices *= repeats;
      return;
    }
    const inner = item.alternatives.map((alternative) => costOf(alternative, rest));
    const once = inner.reduce((sum, cost) => sum + cost, 0);
    if (item.max > 1 && (once > 1 || item.alternatives.length > 1))
      throw new Refusal('a repeated group with a choice inside', 'repeat a class instead: [a-z0-9.]+');
    choices *= once * repeats;
  });
  return choices * longest;
}

/** Whether a repetition of `chars` can go on to `rest` after one length only (or whatever follows cannot fail). */
function stopsInOnePlace(chars: Chars, rest: Sequence): boolean {
  const first = firstOf(rest);
  if (first === null) return true;
  return !(first.others && chars.others) && first.ascii.every((possible, code) => !(possible && chars.ascii[code]));
}

/** What must come next, or null if the pattern may end here. `$` needs the URL's end, which no character is. */
function firstOf(sequence: Sequence): Chars | null {
  let ascii = noChars.ascii;
  let others = false;
  const add = (chars: Chars) => {
    ascii = ascii.map((possible, code) => possible || chars.ascii[code] === true);
    others ||= chars.others;
  };
  for (const [index, item] of sequence.entries()) {
    if (item.kind === 'assertion') {
      if (item.source === '$') return { ascii, others };
      continue;
    }
    if (item.kind === 'atom') add(item.chars);
    else {
      for (const alternative of item.alternatives) {
        const first = firstOf([...alternative, ...sequence.slice(index + 1)]);
        if (first === null) return null;
        add(first);
      }
      return { ascii, others };
    }
    if (item.min > 0) return { ascii, others };
  }
  return null;
}

const noChars: Chars = { ascii: new Array(128).fill(false), others: false };

/** Reads what JavaScript's `u` syntax allows; the engine itself has accepted the source before. */
class Parser {
  readonly #source: string;
  #at = 0;

  constructor(source: string) {
    this.#source = source;
  }

  parse(): readonly Sequence[] {
    const alternatives: Item[][] = [[]];
    for (;;) {
      const sequence = alternatives.at(-1)!;
      const char = this.#source[this.#at];
      if (char === undefined || char === ')') return alternatives;
      if (char === '|') {
        this.#at += 1;
        alternatives.push([]);
      } else sequence.push(this.#item());
    }
  }

  #item(): Item {
    const assertion = this.#take(/^(?:\^|\$|\\b|\\B)/);
    if (assertion !== null) return { kind: 'assertion', source: assertion };
    if (this.#take(/^\((?=\?(?:<?[=!]))/) !== null)
      throw new Refusal('look-ahead or look-behind', 'say in disallow what must not be opened');
    if (this.#take(/^\((?:\?(?:<[^>]*>|[a-z-]*:))?/) !== null) {
      const alternatives = this.parse();
      this.#at += 1; // the closing parenthesis
      return { kind: 'group', alternatives, ...this.#quantifier() };
    }
    const atom = this.#take(
      /^(?:\[(?:[^\]\\]|\\.)*\]|\\(?:u\{[^}]*\}|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|[pP]\{[^}]*\}|c[A-Za-z]|k<[^>]*>|.)|[\s\S])/u,
    );
    if (atom === null) throw new Refusal('a construct that is not understood here', 'write the pattern more simply');
    if (/^\\(?:[1-9]|k)/.test(atom)) throw new Refusal('a back-reference', 'write the text out');
    return { kind: 'atom', chars: charsOf(atom), ...this.#quantifier() };
  }

  #quantifier(): { min: number; max: number } {
    const text = this.#take(/^(?:[*+?]|\{\d+(?:,\d*)?\})\??/);
    if (text === null) return { min: 1, max: 1 };
    if (text[0] === '*') return { min: 0, max: Number.POSITIVE_INFINITY };
    if (text[0] === '+') return { min: 1, max: Number.POSITIVE_INFINITY };
    if (text[0] === '?') return { min: 0, max: 1 };
    const [, min = '0', comma, max] = /^\{(\d+)(,)?(\d*)\}/.exec(text) ?? [];
    const top = comma === undefined ? Number(min) : max === '' ? Number.POSITIVE_INFINITY : Number(max);
    return { min: Number(min), max: top };
  }

  #take(pattern: RegExp): string | null {
    const found = pattern.exec(this.#source.slice(this.#at))?.[0];
    if (found === undefined) return null;
    this.#at += found.length;
    return found;
  }
}

function charsOf(atom: string): Chars {
  const one = new RegExp(`^(?:${atom})$`, 'u');
  return {
    ascii: Array.from({ length: 128 }, (_, code) => one.test(String.fromCharCode(code))),
    // Anything that may reach beyond ASCII counts as reaching all of it.
    others: atom === '.' || /^\[\^|\\[uxpPWDS]|[^\x00-\x7f]/.test(atom),
  };
}
