/**
 * Header fields that begin with `trisiel-` belong to the platform: in an answer they tell callers and proxies what only
 * it knows. No function sets one, those of later versions included.
 */
const prefix = 'trisiel-';

/** Returns whether a response field is the platform's own. `name`: lower case. */
export function isPlatformField(name: string): boolean {
  return name.startsWith(prefix);
}
