/**
 * Regular expressions of readers. They run on the platform's own processor time, so the engine (re2js, a port of RE2)
 * takes time in proportion to the text, whatever the pattern; a pattern's own factor is bounded by its size.
 */
import { RE2JS } from 're2js';
import { messageOf, PlatformError } from '../../protocol/errors.ts';

export const regexLimits = {
  /** Characters of a pattern. */
  patternChars: 500,
  /** Instructions of its program: each character of a text costs at most as many steps. */
  programSize: 300,
  /** Compiled patterns that are kept: the parts of one search ask for the same one. */
  kept: 16,
} as const;

export interface LogRegex {
  /** Returns whether `text` contains a match. */
  test(text: string): boolean;
  /** Steps that a character of a text may cost. */
  readonly steps: number;
}

const kept = new Map<string, LogRegex>();

/** Compiles a pattern in the syntax of RE2. Throws `bad_request` for one that is wrong or too large. */
export function compileRegex(pattern: string): LogRegex {
  const known = kept.get(pattern);
  if (known !== undefined) return known;
  const made = compile(pattern);
  for (const oldest of kept.keys()) {
    if (kept.size < regexLimits.kept) break;
    kept.delete(oldest);
  }
  kept.set(pattern, made);
  return made;
}

function compile(pattern: string): LogRegex {
  if (pattern.length > regexLimits.patternChars)
    throw new PlatformError('bad_request', `a pattern has at most ${regexLimits.patternChars} characters`);
  let regex: RE2JS;
  try {
    regex = RE2JS.compile(pattern);
  } catch (error) {
    const why = messageOf(error);
    throw new PlatformError('bad_request', `the pattern is no regular expression: ${why.slice(0, 200)}`, {
      hints: ['the syntax is that of RE2: no look-around, no back-references'],
    });
  }
  const steps = regex.programSize();
  if (steps > regexLimits.programSize)
    throw new PlatformError('bad_request', 'the pattern is too large: fewer or smaller repetitions, please');
  return { test: (text) => regex.test(text), steps };
}
