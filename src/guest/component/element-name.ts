/** Names the types of the values of streams and futures, for the names of the functions that the linker imports. */
import { createHash } from 'node:crypto';
import type { WitType } from './wit.ts';

/** Name of every type whose values cannot be copied. */
export const otherElement = 'other';

/** Returns the name of a type: `u8`, `_` without a value, else a hash of the type. */
export function elementName(type: WitType | null): string {
  if (type === null) return '_';
  if (typeof type === 'string') return type;
  return hashOf(JSON.stringify(type));
}

function hashOf(spelled: string): string {
  return createHash('sha256').update(spelled).digest('hex').slice(0, 16);
}

/**
 * Most characters of a type that is spelled out in the name of an import. The types of binding generators take some
 * hundreds; records of records can take any number.
 */
const spelledCharsMax = 4096;

/**
 * Returns the last word of the names of functions that copy values of `type`: its name if it is one of `known`, the
 * types for which the host has made functions; else the type itself, for which it makes them when they are bound
 * (spelledType); `other` if that is too long.
 */
export function elementWord(type: WitType | null, known: ReadonlySet<string>): string {
  const spelled = typeof type === 'object' ? JSON.stringify(type) : null;
  const name = type === null || spelled === null ? elementName(type) : hashOf(spelled);
  if (known.has(name)) return name;
  return spelled !== null && spelled.length <= spelledCharsMax ? spelled : otherElement;
}

/** Returns the word of the name of a function that copies values. */
export function lastWord(name: string): string {
  return name.slice(name.lastIndexOf(' ') + 1);
}

/** Returns the type that elementWord has spelled out; null if `word` is the name of a type. */
export function spelledType(word: string): WitType | null {
  return word.startsWith('{') ? (JSON.parse(word) as WitType) : null; // elementWord wrote it
}
