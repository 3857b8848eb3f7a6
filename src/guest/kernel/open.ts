/** Opening a Resource by URL: the only way to one, so the policy is checked in one place. */
import { Errno } from './errno.ts';
import type { Process } from './process.ts';
import type { MaybePromise, OpenFlags, Resource } from './resource.ts';

/** URL as opened. A longer one is invalid; policies are matched against at most this much. */
export const urlBytesMax = 4096;

/**
 * No URL has them raw. URL parsers drop some of them, so `http://a/\nadmin` would be one thing for a
 * policy and another for the one who opens it.
 */
const controlCharacter = /[\0-\x1f\x7f]/;

/** Work that a policy's rules are for each character of a URL, in bytes moved (Process.work). */
const policyWorkPerChar = 64;

const schemePattern = /^([a-z][a-z0-9+.-]*):/i;

/** The scheme's name in lower case, or null where `url` has none. */
export function schemeOf(url: string): string | null {
  return schemePattern.exec(url)?.[1]?.toLowerCase() ?? null;
}

/**
 * The Resource, or Errno: invalid (no URL), unknownScheme, or what the scheme says. A URL that the
 * policy refuses ends the Process (Olin: "vibe check failed").
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

/** Ends the Process when the policy refuses `url`; for http called again with the URL really requested. */
export function checkPolicy(guest: Process, url: string): void {
  const { policy } = guest.options;
  if (policy === null) return;
  guest.work(url.length * policyWorkPerChar);
  const decision = policy.decide(url);
  if (decision.allowed) return;
  guest.report('error', `vibe check failed: URL forbidden by policy: ${url} (${decision.rule})`);
  guest.endNow({ kind: 'policy', url, rule: decision.rule });
}

/** Opens `url` and gives it a descriptor; Errno otherwise. */
export function openDescriptor(guest: Process, url: string, flags: OpenFlags): MaybePromise<number> {
  const opened = openUrl(guest, url, flags);
  if (opened instanceof Promise) return opened.then((resource) => describe(guest, resource));
  return describe(guest, opened);
}

/** Takes the descriptor away and closes what it pointed at, unless another one still does. 0 or Errno. */
export function closeDescriptor(guest: Process, fd: number): MaybePromise<number> {
  const resource = guest.descriptors.remove(fd);
  if (resource === undefined) return Errno.badDescriptor;
  return guest.descriptors.holds(resource) ? 0 : resource.close();
}

function describe(guest: Process, resource: Resource | number): MaybePromise<number> {
  if (typeof resource === 'number') return resource;
  // The Process may have ended while the open waited; nobody else would close it then.
  const fd = guest.end === null ? guest.descriptors.add(resource) : Errno.closed;
  if (fd >= 0) return fd;
  const closed = resource.close();
  return closed instanceof Promise ? closed.then(() => fd) : fd;
}
