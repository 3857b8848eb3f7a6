/**
 * Finds the label (handler name or SLUG--NAME) of a request's host and path. Functions have host names of their own:
 * NAME.DOMAIN, and custom domains. Under the platform's host, and under addresses, the first segment of the path is the
 * label. Under any other host no function answers: a custom domain that is not served any more must not lead to another
 * user's function.
 */
import { isIP } from 'node:net';
import type { Elsewhere } from '../protocol/placement.ts';
import { handlerOfLabel, relabelled } from '../protocol/previews.ts';
import { isHost } from '../protocol/request-head.ts';
import type { Rollout } from '../protocol/rollouts.ts';
import type { LoadedDeployment } from './loaded-deployments.ts';

/** A gradual release of a label: the new version, and who gets it. */
export interface SharedRoute {
  readonly deployment: LoadedDeployment;
  readonly rollout: Rollout;
}

/** Maps a label to its Deployment, or to null when nothing is deployed. */
export class RouteTable {
  readonly #labels = new Map<string, LoadedDeployment | null>();
  /** Gradual releases, by label. */
  readonly #shared = new Map<string, SharedRoute>();
  /** Labels that other nodes serve; each is in #labels with null. */
  readonly #elsewhere = new Map<string, Elsewhere>();
  /** Reasons of labels whose Release cannot be served here; each is in #labels with null. */
  readonly #unserved = new Map<string, string>();
  /** Present names of handlers by former name. */
  readonly #moved = new Map<string, string>();
  /** Names of handlers by custom domain. */
  readonly #domains = new Map<string, string>();

  find(label: string): LoadedDeployment | null | undefined {
    return this.#labels.get(label);
  }

  /** Returns the version that gets a share of the calls of `label`; undefined: none does. */
  sharedOf(label: string): SharedRoute | undefined {
    return this.#shared.size === 0 ? undefined : this.#shared.get(label);
  }

  /** Returns where `label` is served, which `find` answers null for; undefined: it is not served elsewhere. */
  elsewhereOf(label: string): Elsewhere | undefined {
    return this.#elsewhere.get(label);
  }

  /** Returns why `label`, which `find` answers null for, is not served here; undefined: that is not so. */
  unservedReason(label: string): string | undefined {
    return this.#unserved.get(label);
  }

  /**
   * Lets `label` be served by a Deployment; null: the label exists, and nothing is deployed. `shared`: a second version
   * with its share of the calls; null: none.
   */
  set(label: string, deployment: LoadedDeployment | null, shared: SharedRoute | null = null): void {
    this.#labels.set(label, deployment);
    this.#elsewhere.delete(label);
    this.#unserved.delete(label);
    this.#moved.delete(label);
    if (shared === null) this.#shared.delete(label);
    else this.#shared.set(label, shared);
  }

  /** Makes `label` one that other nodes serve. */
  setElsewhere(label: string, elsewhere: Elsewhere): void {
    this.set(label, null);
    this.#elsewhere.set(label, elsewhere);
  }

  /** Makes `label` one whose Release cannot be served here. */
  setUnserved(label: string, reason: string): void {
    this.set(label, null);
    this.#unserved.set(label, reason);
  }

  remove(label: string): void {
    this.#labels.delete(label);
    this.#elsewhere.delete(label);
    this.#unserved.delete(label);
    this.#shared.delete(label);
    this.#moved.delete(label);
  }

  /** Makes `label` the former name of the handler `name`. */
  redirect(label: string, name: string): void {
    this.remove(label);
    this.#moved.set(label, name);
  }

  /** Returns the present label of a label with a former name, if it has one; null: the label has not moved. */
  movedTo(label: string): string | null {
    if (this.#moved.size === 0 || this.#labels.has(label)) return null;
    const name = this.#moved.get(handlerOfLabel(label));
    if (name === undefined) return null;
    const present = relabelled(label, name);
    return this.#labels.has(present) ? present : null;
  }

  /** Lets a custom domain lead to the handler named `to`; null: to none. */
  setDomain(domain: string, to: string | null): void {
    if (to === null) this.#domains.delete(domain);
    else this.#domains.set(domain, to);
  }

  /** Returns the name of the handler that a custom domain leads to; undefined: `host`, in lower case, is none. */
  ofDomain(host: string): string | undefined {
    return this.#domains.size === 0 ? undefined : this.#domains.get(host);
  }

  /** Number of labels. */
  get size(): number {
    return this.#labels.size;
  }
}

export interface Address {
  /** Label; '': the request names none. */
  readonly label: string;
  /** Part of the address that is not the function's own path: '' or `/LABEL`. */
  readonly scriptName: string;
  /** Path as received, from the first slash after scriptName; may be ''. */
  readonly path: string;
  readonly query: string;
  /** Authority as received, from an absolute target or the Host field; '': neither is present. */
  readonly authority: string;
  /** Host in lower case, without the root's dot; followed by its port, or the port at which such requests arrive. */
  readonly host: string;
  readonly port: string;
  /** Whether the host is the function's own: NAME.DOMAIN or a custom domain. */
  readonly byHost: boolean;
  /** Whether the host is a custom domain. */
  readonly byDomain: boolean;
}

/** A parsed Host field. */
interface Authority {
  readonly text: string;
  /** Host in lower case, without the root's dot. */
  readonly host: string;
  readonly port: string;
  /** Label; '': the host is not of the form NAME.DOMAIN. */
  readonly label: string;
  /** Whether the first segment of the path is the label. */
  readonly takesPath: boolean;
}

export interface AddressReaderOptions {
  /** Functions have the host names NAME.DOMAIN. `localhost`: under any other host, paths lead to functions. */
  readonly domain: string;
  /** SERVER_PORT for requests whose Host has none. */
  readonly defaultPort: string;
  /** Public host under which paths lead to functions, besides `domain`; absent: there is none. */
  readonly publicHost?: string;
  readonly routes: Pick<RouteTable, 'ofDomain'>;
}

export class AddressReader {
  readonly #domain: string;
  readonly #publicHost: string;
  readonly #routes: Pick<RouteTable, 'ofDomain'>;
  #defaultPort: string;
  /** Authority of the last request: most consecutive requests have the same. */
  #last: Authority | null = null;

  constructor({ domain, defaultPort, publicHost = '', routes }: AddressReaderOptions) {
    this.#domain = domain;
    this.#publicHost = publicHost;
    this.#routes = routes;
    this.#defaultPort = defaultPort;
  }

  /** Changes SERVER_PORT for requests whose authority has none, or has 0. */
  set defaultPort(port: string) {
    this.#defaultPort = port;
    this.#last = null;
  }

  /**
   * Parses the address of a request. `hostField`: the Host header, valid or absent; `target`: the target of the request
   * line. Returns null when the target is no path.
   */
  read(hostField: string | undefined, target: string): Address | null {
    let given = hostField ?? '';
    if (target.charCodeAt(0) !== slash) {
      // RFC 9112 section 3.2.2: the absolute form, whose authority wins over Host.
      const match = /^https?:\/\/([^/?#]+)(.*)$/i.exec(target);
      // RFC 9110 section 4.2.4: user information in the authority is refused, because isHost does not accept it.
      if (match === null || !isHost(match[1] as string)) return null;
      given = match[1] as string;
      target = match[2]?.startsWith('/') ? match[2] : `/${match[2] ?? ''}`;
    }
    const fragment = target.indexOf('#');
    if (fragment >= 0) target = target.slice(0, fragment);
    const question = target.indexOf('?');
    const path = question < 0 ? target : target.slice(0, question);
    const query = question < 0 ? '' : target.slice(question + 1);
    // A NUL ends a string in most guests, which would then see another path than the requested one.
    if (path.includes('%00')) return null;

    const text = given === '' ? this.#domain : given;
    const authority = this.#last?.text === text ? this.#last : this.#authority(text);
    const { host, port } = authority;
    const named = authority.label === '' ? this.#routes.ofDomain(host) : undefined;
    const label = named ?? authority.label;
    if (label !== '' || !authority.takesPath) {
      const byHost = label !== '';
      const byDomain = named !== undefined;
      return { label, scriptName: '', path, query, authority: given, host, port, byHost, byDomain };
    }
    const end = path.indexOf('/', 1);
    const scriptName = end < 0 ? path : path.slice(0, end);
    return {
      label: scriptName.slice(1),
      scriptName,
      path: end < 0 ? '' : path.slice(end),
      query,
      authority: given,
      host,
      port,
      byHost: false,
      byDomain: false,
    };
  }

  #authority(text: string): Authority {
    const colon = text.lastIndexOf(':');
    const hasPort = colon >= 0 && colon > text.lastIndexOf(']');
    let host = (hasPort ? text.slice(0, colon) : text).toLowerCase();
    if (host.endsWith('.')) host = host.slice(0, -1);
    const port = hasPort ? Number(text.slice(colon + 1)) : 0;
    const suffix = host.length - this.#domain.length - 1;
    const isOwn = suffix > 0 && host.endsWith(this.#domain) && host.charCodeAt(suffix) === dot;
    this.#last = {
      text,
      host,
      port: port > 0 ? String(port) : this.#defaultPort,
      label: isOwn ? host.slice(0, suffix) : '',
      takesPath: this.#takesPath(host),
    };
    return this.#last;
  }

  /** Returns whether paths lead to functions under a host that is no function's own. */
  #takesPath(host: string): boolean {
    if (this.#domain === 'localhost' || host === this.#domain || host === this.#publicHost) return true;
    return host === 'localhost' || isIP(host.replace(/^\[(.*)\]$/, '$1')) !== 0;
  }
}

const dot = 0x2e;
const slash = 0x2f;
