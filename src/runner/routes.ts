/**
 * From a request's host and path to a label (handler name or branch--handler). Functions have host
 * names of their own, NAME.DOMAIN; under every other host the first segment of the path is the label.
 */
import type { LiveDeployment } from './deployments.ts';

/** What is known of a label: a Deployment, or null where nothing is deployed. */
export class RouteTable {
  readonly #labels = new Map<string, LiveDeployment | null>();

  find(label: string): LiveDeployment | null | undefined {
    return this.#labels.get(label);
  }

  set(label: string, deployment: LiveDeployment | null): void {
    this.#labels.set(label, deployment);
  }

  remove(label: string): void {
    this.#labels.delete(label);
  }

  get size(): number {
    return this.#labels.size;
  }
}

export interface Address {
  /** '' where the request names none. */
  readonly label: string;
  /** '' or `/LABEL`: what belongs to the address, not to the function's own path. */
  readonly scriptName: string;
  /** As received, from the first slash behind the script's name; '' is possible. */
  readonly path: string;
  readonly query: string;
  readonly host: string;
  readonly port: string;
  /** Whether the host is the function's own. */
  readonly byHost: boolean;
}

/** `host` is the Host header, `target` the request line's target. null: the target is no path. */
export function addressOf(options: {
  readonly host: string | undefined;
  readonly target: string;
  readonly domain: string;
  readonly defaultPort: string;
}): Address | null {
  let { target } = options;
  let authority = options.host ?? options.domain;
  if (!target.startsWith('/')) {
    // RFC 9112 section 3.2.2: the absolute form, whose authority wins over Host.
    const match = /^https?:\/\/([^/?#]+)(.*)$/i.exec(target);
    if (match === null) return null;
    authority = match[1] as string;
    target = match[2]?.startsWith('/') ? match[2] : `/${match[2] ?? ''}`;
  }
  const fragment = target.indexOf('#');
  if (fragment >= 0) target = target.slice(0, fragment);
  const question = target.indexOf('?');
  const path = question < 0 ? target : target.slice(0, question);
  const query = question < 0 ? '' : target.slice(question + 1);
  // A NUL ends a string in most guests: what they would see is not what was asked for.
  if (path.includes('%00')) return null;

  const { host, port } = splitAuthority(authority, options.defaultPort);
  const suffix = host.length - options.domain.length - 1;
  if (suffix > 0 && host.endsWith(options.domain) && host.charCodeAt(suffix) === dot) {
    return { label: host.slice(0, suffix), scriptName: '', path, query, host, port, byHost: true };
  }
  const end = path.indexOf('/', 1);
  const label = end < 0 ? path.slice(1) : path.slice(1, end);
  return {
    label,
    scriptName: `/${label}`,
    path: end < 0 ? '' : path.slice(end),
    query,
    host,
    port,
    byHost: false,
  };
}

const dot = 0x2e;

/** Host in lower case, without a port and without the root's dot. */
function splitAuthority(authority: string, defaultPort: string): { host: string; port: string } {
  const colon = authority.lastIndexOf(':');
  const hasPort = colon >= 0 && colon > authority.lastIndexOf(']');
  const host = (hasPort ? authority.slice(0, colon) : authority).toLowerCase();
  const port = hasPort ? authority.slice(colon + 1) : defaultPort;
  return { host: host.endsWith('.') ? host.slice(0, -1) : host, port: /^\d{1,5}$/.test(port) ? port : defaultPort };
}
