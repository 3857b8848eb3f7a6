/** Conditions on the fields of structured lines, as readers type them. */
import type { LogFields } from './nouns.ts';

export const fieldLimits = {
  /** Characters of a field's name with its dots, followed by those of its value. */
  nameChars: 100,
  valueChars: 2_000,
} as const;

/**
 * Returns whether one of `fields` fits `condition`: NAME=VALUE, with the value as String() writes it, or NAME for any
 * value. Names and values may contain `=`, so every way to divide the condition counts: `a=b=c` is the field `a` with
 * `b=c`, the field `a=b` with `c`, or `a=b=c` with any value.
 */
export function hasField(fields: LogFields, condition: string): boolean {
  return Object.keys(fields).some(
    (name) =>
      condition.startsWith(name) &&
      (condition.length === name.length ||
        (condition[name.length] === '=' && condition.slice(name.length + 1) === String(fields[name]))),
  );
}

/** Returns the names that a field which fits `condition` can have. */
export function fieldNames(condition: string): readonly string[] {
  const names = condition.length <= fieldLimits.nameChars ? [condition] : [];
  for (let at = condition.indexOf('='); at >= 0 && at <= fieldLimits.nameChars; at = condition.indexOf('=', at + 1))
    names.push(condition.slice(0, at));
  return names;
}

/**
 * Returns the beginnings of JSON one of which is in the JSON of all fields that fit `condition`: a test before parsing.
 */
export function fieldMarks(condition: string): readonly string[] {
  const [shortest = ''] = condition.split('=', 1);
  const mark = JSON.stringify(shortest);
  return [mark, `${mark.slice(0, -1)}=`];
}
