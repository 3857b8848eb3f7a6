/** Opens Resources by URL, for every ABI. No other code opens them, so the policy is checked here. */
import { Errno } from './errno.ts';
import type { Process } from './process.ts';
import type { MaybePromise, OpenFlags, Resource } from './resource.ts';

/** Most characters of a URL; a longer one is invalid. So this also bounds the text that a policy is matched against. */
export const urlBytesMax = 4096;

/**
 * Matches control characters, which no URL contains. Parsers of URLs drop some of them: `http://a/\nadmin` would be one
 * URL for a policy and another one for the connection.
 */
const controlCharacter = /[\0-\x1f\x7f]/;

/** Host work (Process.work) for each character that a policy is matched against, in bytes moved. */
const policyWorkPerChar = 64;

const schemePattern = /^([a-z][a-z0-9+.-]*):/i;

/** Returns the name of the scheme in lower case; null if `url` has none. */
export function schemeOf(url: string): string | null {
  return schemePattern.exec(url)?.[1]?.toLowerCase() ?? null;
}

/**
 * Opens `url`. Returns the Resource, or an Errno: invalid (no URL), unknownScheme, or that of the scheme. Ends the
 * Process if the policy refuses the URL (in Olin's words: "vibe check failed").
 */
export function openUrl(guest: Process, url: string, flags: OpenFlags): MaybePromise<Resource | number> {
  if (url.length > urlBytesMax || controlCharacter.test(url)) return Errno.invalid;
  const name = schemeOf(url);
  if (name === null) return Errno.invalid;
  checkPolicy(guest, url);
  const scheme = guest.options.schemes.find(name);
  if (scheme === undefined) return Errno.unknownScheme;
  return scheme.open(url, guest, flags);
}

/**
 * Ends the Process if its policy refuses `url`. Called at every open; http calls it again with the URL of the actual
 * request.
 */
export function checkPolicy(guest: Process, url: string): void {
  const { policy } = guest.options;
  if (policy === null) return;
  guest.work(url.length * policyWorkPerChar);
  const decision = policy.decide(url);
  if (decision.allowed) return;
  guest.report('error', `vibe check failed: URL forbidden by policy: ${url} (${decision.rule})`);
  guest.endNow({ kind: 'policy', url, rule: decision.rule });
}

/** Opens `url` and returns its descriptor, or an Errno. */
export function openDescriptor(guest: Process, url: string, flags: OpenFlags): MaybePromise<number> {
  const opened = openUrl(guest, url, flags);
  if (opened instanceof Promise) return opened.then((resource) => describe(guest, resource));
  return describe(guest, opened);
}

/**
 * Frees the descriptor `fd` and closes its Resource, unless another descriptor stands for the Resource too. Returns 0
 * or an Errno.
 */
export function closeDescriptor(guest: Process, fd: number): MaybePromise<number> {
  const resource = guest.descriptors.remove(fd);
  if (resource === undefined) return Errno.badDescriptor;
  return guest.descriptors.holds(resource) ? 0 : resource.close();
}

function describe(guest: Process, resource: Resource | number): MaybePromise<number> {
  if (typeof resource === 'number') return resource;
  // If the Process has ended while the open waited, no other code closes the Resource.
  const fd = guest.end === null ? guest.descriptors.add(resource) : Errno.closed;
  if (fd >= 0) return fd;
  const closed = resource.close();
  return closed instanceof Promise ? closed.then(() => fd) : fd;
}
