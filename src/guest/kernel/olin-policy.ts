/**
 * Reads Olin's policy file (`handler.policy`, `wasmcloud run --policy`). Its lines are `allow`, `disallow`,
 * `ram-page-limit` and `gas-limit`. A list is in parentheses, one pattern a line; `##` begins a comment. Source: the
 * policy documentation of Olin.
 */
import { messageOf, PlatformError } from '../../protocol/errors.ts';
import { KIB, maximumLimits } from '../../protocol/limits.ts';
import { type Policy, type PolicyList, policyLists } from '../../protocol/nouns.ts';
import { recordOf } from '../../protocol/record-of.ts';
import { policyRule } from './policy.ts';

export interface OlinPolicy {
  readonly policy: Policy;
  /** Pages of 64 KiB; absent if the file does not set them. */
  readonly ramPageLimit?: number;
  /** Instructions per Invocation. */
  readonly gasLimit?: number;
}

/** Most characters of a policy file. In a push, pushLimits.manifestBytes bounds the file. */
const textCharsMax = 64 * KIB;
/** Most rules of one list: every open tries each of them. */
const rulesMax = 256;

type NumberName = 'ram-page-limit' | 'gas-limit';

const numberLimits: Readonly<Record<NumberName, number>> = {
  'ram-page-limit': maximumLimits.memoryPages,
  'gas-limit': maximumLimits.gas,
};

/** Returns the contents of the file. Throws `manifest_invalid` with `name` and the line. */
export function parseOlinPolicy(text: string, name = 'handler.policy'): OlinPolicy {
  if (text.length > textCharsMax)
    throw new PlatformError('manifest_invalid', `${name} is longer than ${textCharsMax / KIB} KiB`);
  const lists: Record<PolicyList, string[]> = recordOf(policyLists, () => []);
  const numbers = new Map<NumberName, number>();
  let open: { list: PolicyList; line: number } | null = null;

  const lines = text.split(/\r\n|\n|\r/);
  lines.forEach((raw, index) => {
    const at = `${name}, line ${index + 1}`;
    const line = stripComment(raw);
    if (line === '') return;
    if (open !== null) {
      if (line === ')') open = null;
      else addRule(lists[open.list], unquote(line, at), at);
      return;
    }
    const [, word = '', rest = ''] = /^([^\s(]+)\s*(.*)$/.exec(line) ?? [];
    if (isListName(word)) {
      if (rest === '(') open = { list: word, line: index + 1 };
      else if (rest.startsWith('(') && rest.endsWith(')') && rest.slice(1, -1).trim() === '') return;
      else if (rest === '') throw invalid(`${at}: ${word} needs a pattern or a list in parentheses`);
      else addRule(lists[word], unquote(rest, at), at);
    } else if (isNumberName(word)) {
      if (numbers.has(word)) throw invalid(`${at}: ${word} is given twice`);
      numbers.set(word, parseNumber(word, rest, at));
    } else {
      throw invalid(`${at}: unknown word ${shown(word === '' ? line : word)}`, [
        `a policy knows ${[...policyLists, ...Object.keys(numberLimits)].join(', ')}; ## begins a comment`,
      ]);
    }
  });
  // TypeScript does not see assignments inside the callback.
  const unclosed = open as { list: PolicyList; line: number } | null;
  if (unclosed !== null) throw invalid(`${name}, line ${unclosed.line}: the list of ${unclosed.list} has no closing )`);

  const ramPageLimit = numbers.get('ram-page-limit');
  const gasLimit = numbers.get('gas-limit');
  return {
    policy: lists,
    ...(ramPageLimit === undefined ? {} : { ramPageLimit }),
    ...(gasLimit === undefined ? {} : { gasLimit }),
  };
}

/**
 * Returns the line without its comment. `##` begins a comment at the start of the line or after a blank; inside a
 * pattern it may be part of the pattern.
 */
function stripComment(line: string): string {
  return line.replace(/(^|\s)##.*$/, '').trim();
}

function addRule(rules: string[], source: string, at: string): void {
  if (rules.length >= rulesMax) throw invalid(`${at}: more than ${rulesMax} patterns in one list`);
  try {
    policyRule(source);
  } catch (error) {
    throw invalid(`${at}: ${shown(source)} is no usable regular expression: ${messageOf(error)}`);
  }
  rules.push(source);
}

/** Returns the word without its double quotes or back quotes, which Olin's format allows. */
function unquote(word: string, at: string): string {
  if (word.length >= 2 && word.startsWith('`') && word.endsWith('`')) return word.slice(1, -1);
  if (!word.startsWith('"')) return word;
  try {
    const value: unknown = JSON.parse(word);
    if (typeof value === 'string') return value;
  } catch {
    // The error below reports it.
  }
  throw invalid(`${at}: ${shown(word)} is not a well-formed string`);
}

function parseNumber(word: NumberName, text: string, at: string): number {
  const value = /^\d[\d_]*$/.test(text) ? Number(text.replaceAll('_', '')) : Number.NaN;
  const max = numberLimits[word];
  if (Number.isNaN(value) || value < 1 || value > max)
    throw invalid(`${at}: ${word} wants a whole number from 1 to ${max}, found ${shown(text)}`);
  return value;
}

function isListName(word: string): word is PolicyList {
  return (policyLists as readonly string[]).includes(word);
}

function isNumberName(word: string): word is NumberName {
  return word === 'ram-page-limit' || word === 'gas-limit';
}

function shown(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}

function invalid(message: string, hints: readonly string[] = []): PlatformError {
  return new PlatformError('manifest_invalid', message, { hints });
}
