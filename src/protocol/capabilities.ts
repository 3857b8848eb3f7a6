/** What a version may do that another may not: said at the push, and before a rollback. */
import type { Policy } from './nouns.ts';

/** What decides what a version can reach. */
export interface Capabilities {
  /** null: everything that the platform allows. */
  readonly policy: Policy | null;
  /** Interfaces of the platform that the module imports: `cwa`, `wasi:http/outgoing-handler@0.2`. */
  readonly interfaces: readonly string[];
}

/** Prefix of import modules that the platform makes itself when it rewrites a module. */
const platformsOwn = 'trisiel';

/** Returns the interfaces that functions with these imports use, sorted, each once. */
export function interfacesOf(imports: readonly { readonly module: string }[]): readonly string[] {
  const names = imports.map(({ module }) => module).filter((module) => !module.startsWith(platformsOwn));
  return [...new Set(names)].sort();
}

/**
 * Returns what `next` may do and `before` may not, one sentence each, of patterns and interfaces: a person who puts
 * `next` in the place of `before` sees that it brings more than code. Empty: nothing.
 */
export function newCapabilities(before: Capabilities, next: Capabilities): readonly string[] {
  const imported = next.interfaces.filter((name) => !before.interfaces.includes(name));
  return [...newPatterns(before.policy, next.policy), ...imported.map((name) => `newly imported: ${name}`)];
}

function newPatterns(before: Policy | null, now: Policy | null): readonly string[] {
  if (before === null) return [];
  if (now === null) return ['newly allowed: everything, there is no policy any more'];
  const allowed = now.allow.filter((pattern) => !before.allow.includes(pattern));
  const undone = before.disallow.filter((pattern) => !now.disallow.includes(pattern));
  return [
    ...allowed.map((pattern) => `newly allowed: ${readable(pattern)}`),
    ...undone.map((pattern) => `no longer disallowed: ${readable(pattern)}`),
  ];
}

/** Returns a pattern that means one beginning of a URL as that beginning, any other pattern as it is. */
function readable(pattern: string): string {
  const start = /^\^((?:[\w:/@-]|\\[./-])+)$/.exec(pattern)?.[1];
  return start === undefined ? pattern : start.replace(/\\([./-])/g, '$1');
}
