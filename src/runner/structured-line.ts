/**
 * Reads a line that is a JSON object: `{"level":"warn","msg":"slow","user":42}` has the level warning, the text `slow`
 * and the field `user`. Nothing of a line gets lost: where a part is no field within the limits, the text stays the
 * whole line, beside the fields that could be taken.
 */
import { fieldLimits } from '../protocol/log-fields.ts';
import { logLevels, type PendingLogLine } from '../protocol/nouns.ts';

export const structureLimits = {
  /** Characters of a line that is looked into. Longer lines have been split before. */
  lineChars: 8_192,
  /** Fields of a line. */
  fields: 64,
  /** Objects inside of each other, the line itself included. A deeper object is a field with its JSON as value. */
  depth: 4,
  /** Characters of a field's name and of its value; a longer one is left in the text. */
  ...fieldLimits,
} as const;

/** Names of the keys that hold the level, followed by those of the message. The first that fits counts. */
const levelKeys = ['level', 'severity', 'lvl'];
const messageKeys = ['msg', 'message'];

/** Numbers of levels by the names that common loggers use, in lower case. */
const namedLevels: ReadonlyMap<string, number> = new Map([
  ...['emergency', 'alert', 'fatal', 'panic', 'critical', 'crit', 'error', 'err'].map(
    (name) => [name, logLevels.error] as const,
  ),
  ...['warning', 'warn'].map((name) => [name, logLevels.warning] as const),
  ...['notice', 'info', 'information', 'log'].map((name) => [name, logLevels.info] as const),
  ['debug', 7],
  ...['trace', 'verbose'].map((name) => [name, 8] as const),
]);

export interface StructuredLine {
  readonly text: string;
  /** Level that the line names; null: none. */
  readonly level: number | null;
  /** LogFields as JSON; absent: no field. */
  readonly fields?: string;
}

/** Returns the parts of a line that is a JSON object; null for any other text. */
export function readStructured(text: string): StructuredLine | null {
  // Most lines are no objects: two characters tell.
  if (text.charCodeAt(0) !== openBrace || text.charCodeAt(text.length - 1) !== closeBrace) return null;
  if (text.length > structureLimits.lineChars) return null;
  try {
    return structureOf(text, mayLoseDigits.test(text) ? JSON.parse(text, exactNumbers) : JSON.parse(text));
  } catch {
    // No JSON, or objects inside of each other so deep that the stack does not suffice.
    return null;
  }
}

/** A text with a number that may have more digits than a JavaScript number can hold, or be greater. */
const mayLoseDigits = /[\d.]{16}|\d[eE][+-]?\d/;

/** Digits up to which every decimal number survives the way into a double and back (IEEE 754). */
const exactDigits = 15;

/** Digits with which every double survives the way into a decimal number and back: C's `%.17g` writes that many. */
const doubleDigits = 17;

/**
 * Reviver for JSON.parse: a number that a JavaScript number cannot hold, an id above 2^53 for instance, becomes its
 * text. Of more than exactDigits, a number stays one if the JavaScript number has the same digits: 0.10000000000000001
 * is 0.1.
 */
function exactNumbers(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  const source = context?.source;
  if (typeof value !== 'number' || source === undefined || String(value) === source) return value;
  const digits = digitsOf(source);
  if (!Number.isFinite(value) || digits.length > doubleDigits) return source;
  return digits.length <= exactDigits || digitsOf(value.toPrecision(digits.length)) === digits ? value : source;
}

/** Returns the digits of a decimal number from the first that is not 0 on, without point, sign and exponent. */
function digitsOf(number: string): string {
  return number
    .replace(/[eE].*$/, '')
    .replace(/\D/g, '')
    .replace(/^0+/, '');
}

function structureOf(text: string, object: Readonly<Record<string, unknown>>): StructuredLine {
  const levelKey = levelKeys.find((key) => levelOf(object[key]) !== null);
  const messageKey = messageKeys.find((key) => typeof object[key] === 'string');
  const found = new Fields();
  found.add('', object, (key) => key !== levelKey && key !== messageKey);
  const message = messageKey === undefined ? undefined : (object[messageKey] as string); // messageKey is one with text
  return {
    text: message === undefined || found.isIncomplete ? text : message,
    level: levelKey === undefined ? null : levelOf(object[levelKey]),
    ...(found.fields.size === 0 ? {} : { fields: JSON.stringify(Object.fromEntries(found.fields)) }),
  };
}

/** Returns a line with the level, text and fields that its text names, if it is a JSON object; else the line itself. */
export function structured(line: PendingLogLine): PendingLogLine {
  const found = readStructured(line.text);
  if (found === null) return line;
  const { text, level, fields } = found;
  return { ...line, text, level: level ?? line.level, ...(fields === undefined ? {} : { fields }) };
}

const openBrace = 0x7b;
const closeBrace = 0x7d;

/** Returns the level in a value: a name, one of the platform's numbers (0 to 9), or one of pino's (10 to 69). */
function levelOf(value: unknown): number | null {
  if (typeof value === 'string') return namedLevels.get(value.toLowerCase()) ?? null;
  if (!Number.isSafeInteger(value)) return null;
  const number = value as number; // an integer
  if (number < 0 || number > 69) return null;
  if (number < 10) return number;
  if (number >= 50) return logLevels.error;
  if (number >= 40) return logLevels.warning;
  if (number >= 30) return logLevels.info;
  return number >= 20 ? 7 : 8;
}

class Fields {
  readonly fields = new Map<string, string | number | boolean | null>();
  /** Whether a part of the line is no field. */
  isIncomplete = false;

  add(prefix: string, object: Readonly<Record<string, unknown>>, isWanted: (key: string) => boolean, depth = 1): void {
    for (const [key, value] of Object.entries(object)) {
      if (!isWanted(key)) continue;
      const name = prefix + key;
      if (typeof value === 'object' && value !== null && !Array.isArray(value) && depth < structureLimits.depth)
        this.add(`${name}.`, value as Readonly<Record<string, unknown>>, () => true, depth + 1);
      else this.#set(name, typeof value === 'object' && value !== null ? JSON.stringify(value) : value);
      if (this.fields.size >= structureLimits.fields && this.isIncomplete) return;
    }
  }

  #set(name: string, value: unknown): void {
    const isLong = typeof value === 'string' && value.length > structureLimits.valueChars;
    if (
      this.fields.size >= structureLimits.fields ||
      this.fields.has(name) ||
      name.length > structureLimits.nameChars ||
      isLong
    )
      this.isIncomplete = true;
    else this.fields.set(name, value as string | number | boolean | null); // JSON without objects
  }
}
