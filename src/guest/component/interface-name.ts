/** Reads the version in names of interfaces: `wasi:io/streams@0.2.3`. */

/**
 * Returns the interface name with the compatible part of its version: `wasi:io/streams@0.2.3` -> `wasi:io/streams@0.2`,
 * `a:b/c@1.4.0` -> `a:b/c@1`. Names with a pre-release (`@0.3.0-rc-2025-09-16`) are returned unchanged: each
 * pre-release is compatible with itself only.
 *
 * Spec: Semantic Versioning 2.0.0, 4 and 8; component-model, Explainer.md "canonversion".
 */
export function compatibleName(name: string): string {
  const match = /^([^@]+)@(\d+)\.(\d+)\.\d+$/.exec(name);
  if (match === null) return name;
  const [, path, major, minor] = match;
  return major === '0' ? `${path}@0.${minor}` : `${path}@${major}`;
}

/** Returns whether the version of `name` is a pre-release. */
export function isPrerelease(name: string): boolean {
  return /@\d+\.\d+\.\d+-/.test(name);
}

/** Longest name for which a similar one is looked up. */
const nearestCharsMax = 100;
/** Most characters in which two similar names differ. */
const nearestEditsMax = 4;

/** Returns the name in `known` that differs least from `name`, or has the same path in another version; null: none. */
export function nearestName(name: string, known: ReadonlySet<string>): string | null {
  if (name.length > nearestCharsMax) return null;
  const [path = ''] = name.split('@');
  let nearest: string | null = null;
  let least = nearestEditsMax + 1;
  for (const one of known) {
    const [onePath = ''] = one.split('@');
    const edits = onePath === path ? 0 : editsBetween(onePath, path);
    if (edits >= least) continue;
    nearest = one;
    least = edits;
  }
  return nearest;
}

/** Returns the number of characters to insert, delete or replace that makes one text the other. */
function editsBetween(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let i = 1; i <= left.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= right.length; j += 1) {
      const replaced = (row[j - 1] as number) + (left[i - 1] === right[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[right.length] as number;
}

/** Advice for a component that uses a pre-release. */
export const prereleaseHint =
  'build against a released version of WASI: pre-releases differ from it and from each other';
