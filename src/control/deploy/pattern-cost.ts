/**
 * Estimates, from above, the steps that a backtracking engine takes to match a pattern against a URL.
 *
 * Each place where the engine may choose (number of repetitions, alternative) multiplies the cost of the rest, unless
 * only one choice can go on: a repeated class directly followed by a character outside of it stops in one place only. A
 * repeated group that itself holds a choice is refused, since its choices multiply with every repetition (`(a+)+`,
 * `(a|a)*`).
 */

/** Characters of the longest URL for which costs are estimated. */
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
  | {
      readonly kind: 'group';
      readonly alternatives: readonly Sequence[];
      readonly min: number;
      readonly max: number;
      /** Characters that one round begins with, computed once because patterns nest. */
      readonly first: First;
    };
type Sequence = readonly Item[];

/**
 * Returns the most steps that matching the pattern `source` against a URL of urlCharsMax characters can take, or why
 * the pattern is refused. `source` must compile with the flag u.
 */
export function matchingCost(source: string): number | Refused {
  try {
    const alternatives = new Parser(source).parse();
    // The engine tries every start unless the pattern is anchored; alternatives are tried in turn.
    return alternatives.reduce((sum, sequence) => {
      const starts = sequence[0]?.kind === 'assertion' && sequence[0].source === '^' ? 1 : urlCharsMax;
      return sum + starts * costOf(sequence, []).steps;
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

interface Cost {
  /** Number of ways to match; the rest of the pattern may have to be tried after each. */
  readonly choices: number;
  /** Steps for all ways together. */
  readonly steps: number;
}

/**
 * Returns the cost of `sequence` when `after` follows it. A repetition costs its length, for every way to get to it.
 */
function costOf(sequence: Sequence, after: Sequence): Cost {
  let choices = 1;
  let steps = 1;
  sequence.forEach((item, index) => {
    if (item.kind === 'assertion') return;
    const rest = [...sequence.slice(index + 1), ...after];
    const longest = Math.max(1, Math.min(item.max, urlCharsMax));
    const lengths = longest - Math.min(item.min, longest) + 1;
    if (item.kind === 'atom') {
      steps += choices * longest;
      if (lengths > 1 && !stopsInOnePlace(item.chars, rest)) choices *= lengths;
      return;
    }
    // After one round of a repeated group comes another round, or the rest.
    const next = item.max > 1 ? [{ ...item, min: 0 }, ...rest] : rest;
    const costs = item.alternatives.map((alternative) => costOf(alternative, next));
    const inner = costs.reduce((sum, cost) => sum + cost.choices, 0);
    if (item.max > 1 && inner > 1)
      throw new Refusal('a repeated group with a choice inside', 'repeat a class instead: [a-z0-9.]+');
    steps += choices * longest * costs.reduce((sum, cost) => sum + cost.steps, 0);
    choices *= inner + lengths - 1;
  });
  return { choices, steps };
}

/** Returns whether a repetition of `chars` can go on to `rest` after one length only, or `rest` cannot fail. */
function stopsInOnePlace(chars: Chars, rest: Sequence): boolean {
  const { chars: next, canBeEmpty } = firstOf(rest);
  if (canBeEmpty) return true; // The pattern may end here, and has then matched.
  return !(next.others && chars.others) && next.ascii.every((possible, code) => !(possible && chars.ascii[code]));
}

interface First {
  readonly chars: Chars;
  readonly canBeEmpty: boolean;
}

/** Returns what `sequence` may begin with. `$` wants the URL's end, which no character is. */
function firstOf(sequence: Sequence): First {
  let chars = noChars;
  for (const item of sequence) {
    if (item.kind === 'assertion') {
      if (item.source === '$') return { chars, canBeEmpty: false };
      continue;
    }
    const first = item.kind === 'atom' ? { chars: item.chars, canBeEmpty: false } : item.first;
    chars = union(chars, first.chars);
    if (item.min > 0 && !first.canBeEmpty) return { chars, canBeEmpty: false };
  }
  return { chars, canBeEmpty: true };
}

const noChars: Chars = { ascii: new Array(128).fill(false), others: false };

function union(a: Chars, b: Chars): Chars {
  return { ascii: a.ascii.map((possible, code) => possible || b.ascii[code] === true), others: a.others || b.others };
}

/** Reads what JavaScript's `u` syntax allows; the engine itself has accepted the source before. */
class Parser {
  readonly #source: string;
  readonly #known = new Map<string, Chars>();
  /** Offset in the source of the next character. */
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
      const firsts = alternatives.map(firstOf);
      const first = {
        chars: firsts.reduce((all, { chars }) => union(all, chars), noChars),
        canBeEmpty: firsts.some(({ canBeEmpty }) => canBeEmpty),
      };
      return { kind: 'group', alternatives, first, ...this.#quantifier() };
    }
    const atom = this.#take(
      /^(?:\[(?:[^\]\\]|\\.)*\]|\\(?:u\{[^}]*\}|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|[pP]\{[^}]*\}|c[A-Za-z]|k<[^>]*>|.)|[\s\S])/u,
    );
    if (atom === null) throw new Refusal('a construct that is not understood here', 'write the pattern more simply');
    if (/^\\(?:[1-9]|k)/.test(atom)) throw new Refusal('a back-reference', 'write the text out');
    return { kind: 'atom', chars: this.#charsOf(atom), ...this.#quantifier() };
  }

  #charsOf(atom: string): Chars {
    const chars = this.#known.get(atom) ?? charsOf(atom);
    this.#known.set(atom, chars);
    return chars;
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
