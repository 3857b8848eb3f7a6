/** Names the types of the values of streams and futures, for the names of the functions that the linker imports. */
import { createHash } from 'node:crypto';
import type { WitType } from './wit.ts';

/** Name of every type whose values cannot be copied: no interface of the host has it. */
export const otherElement = 'other';

/** Returns the name of a type: `u8`, `_` without a value, else a hash of the type. */
export function elementName(type: WitType | null): string {
  if (type === null) return '_';
  if (typeof type === 'string') return type;
  return createHash('sha256').update(JSON.stringify(type)).digest('hex').slice(0, 16);
}
