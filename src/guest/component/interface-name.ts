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
