/**
 * Prevents one function from acting on another through their callers' browsers. Functions under one host (`/NAME/…`)
 * share an origin: cookies, service workers and similar state of one would apply to all. Under its own host name a
 * function may set cookies for that name, not for the domain above it.
 */

/** Response fields, in lower case, that act on more than their own answer. */
const ofOrigin = new Set([
  'alt-svc',
  'clear-site-data',
  'service-worker-allowed',
  'set-cookie',
  'strict-transport-security',
]);

export interface SharedOrigin {
  /** Whether the host is the function's own. */
  readonly byHost: boolean;
  /** Host of the request, in lower case. */
  readonly host: string;
}

/** Returns whether the field `name`, in lower case, acts on the whole origin. */
export function actsOnOrigin(name: string): boolean {
  return ofOrigin.has(name);
}

/**
 * Returns `headers` without those that act on other functions of the same host. `headers`: name, value, name, value…
 * `dropped` is called once per reason, for the owner.
 */
export function withoutForeign(
  headers: readonly string[],
  origin: SharedOrigin,
): { readonly headers: readonly string[]; readonly dropped: ReadonlySet<string> } {
  const kept: string[] = [];
  const dropped = new Set<string>();
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    const value = headers[i + 1] as string;
    const reason = reasonToDrop(name, value, origin);
    if (reason === null) kept.push(name, value);
    else dropped.add(reason);
  }
  return { headers: kept, dropped };
}

function reasonToDrop(name: string, value: string, { byHost, host }: SharedOrigin): string | null {
  const lower = name.toLowerCase();
  if (!ofOrigin.has(lower)) return null;
  if (!byHost)
    return `${name} was dropped: under this address all functions share one origin; call the function by its host name`;
  if (lower !== 'set-cookie') return null;
  const domain = foreignDomain(value, host);
  return domain === null ? null : `${name} was dropped: its Domain ${domain} is not ${host} or below it`;
}

/**
 * Returns the first Domain attribute of a cookie (RFC 6265 section 5.2.3) that is neither `host` nor below it; null:
 * none.
 */
function foreignDomain(cookie: string, host: string): string | null {
  for (const attribute of cookie.split(';').slice(1)) {
    const at = attribute.indexOf('=');
    if (at < 0 || attribute.slice(0, at).trim().toLowerCase() !== 'domain') continue;
    const domain = attribute
      .slice(at + 1)
      .trim()
      .toLowerCase()
      .replace(/^\./, '');
    // Browsers ignore an empty one.
    if (domain !== '' && domain !== host && !domain.endsWith(`.${host}`)) return domain;
  }
  return null;
}
