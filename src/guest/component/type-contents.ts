/** What the type of a value contains: ends of streams and futures, borrowed handles, error contexts. */
import { elementName } from './element-name.ts';
import { casesOf } from './flatten.ts';
import type { WitType } from './wit.ts';

export type EndType = Extract<WitType, { readonly kind: 'stream' | 'future' }>;

/** Returns the types of streams and futures in a value of `type`. */
export function endsIn(type: WitType): readonly EndType[] {
  if (typeof type === 'string') return [];
  switch (type.kind) {
    case 'stream':
    case 'future':
      return [type];
    case 'list':
    case 'option':
      return endsIn(type.of);
    case 'tuple':
      return type.of.flatMap(endsIn);
    case 'record':
      return type.fields.flatMap((field) => endsIn(field.type));
    case 'variant':
    case 'result':
      return casesOf(type).flatMap((one) => (one.type === null ? [] : endsIn(one.type)));
    default:
      return [];
  }
}

/** Returns a name for `type` under which CopyCalls.passEnd has its function. */
export function endName(type: EndType): string {
  return `${type.kind} ${elementName(type.of)}`;
}

/** Returns whether a value of `type` holds a borrowed handle. */
export function hasBorrows(type: WitType): boolean {
  return contains(type, 'borrow');
}

/** Returns whether a value of `type` holds an error context. */
export function hasErrorContexts(type: WitType): boolean {
  return contains(type, 'error-context');
}

function contains(type: WitType, kind: string): boolean {
  if (typeof type === 'string') return type === kind;
  if (type.kind === kind) return true;
  switch (type.kind) {
    case 'list':
      return contains(type.of, kind);
    case 'record':
      return type.fields.some((field) => contains(field.type, kind));
    case 'tuple':
      return type.of.some((one) => contains(one, kind));
    case 'variant':
    case 'option':
    case 'result':
      return casesOf(type).some((one) => one.type !== null && contains(one.type, kind));
    default:
      return false;
  }
}
