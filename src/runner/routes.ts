/**
 * From a request's host and path to a label (handler name or branch--handler). Functions have host
 * names of their own, NAME.DOMAIN; under every other host the first segment of the path is the label.
 */
import type { LoadedDeployment } from './loaded-deployments.ts';
import { isHost } from './request-check.ts';

/** What is known of a label: a Deployment, or null where nothing is deployed. */
export class RouteTable {
  readonly #labels = new Map<string, LoadedDeployment | null>();

  find(label: string): LoadedDeployment | null | undefined {
    return this.#labels.get(label);
  }

  set(label: string, deployment: LoadedDeployment | null): void {
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
  /** The authority as received, from an absolute target or the Host field; '' where neither is there. */
  readonly authority: string;
  /** Its host in lower case, without the root's dot, and its port, or the port where such requests arrive. */
  readonly host: string;
  readonly port: string;
  /** Whether the host is the function's own. */
  readonly byHost: boolean;
}

/** A Host header taken apart. */
interface Authority {
  readonly text: string;
  /** In lower case, without the root's dot. */
  readonly host: string;
  readonly port: string;
  /** '' where the host is not a function's own. */
  readonly label: string;
}

export class AddressReader {
  readonly #domain: string;
  #defaultPort: string;
  /** Most requests in a row come for the same host. */
  #last: Authority | null = null;

  /** Makes an empty table. `defaultPort`: SERVER_PORT where Host has none. */
  constructor(domain: string, defaultPort: string) {
    this.#domain = domain;
    this.#defaultPort = defaultPort;
  }

  /** Changes SERVER_PORT for requests whose authority has none, or has 0. */
  set defaultPort(port: string) {
    this.#defaultPort = port;
    this.#last = null;
  }

  /**
   * Reads the address of a request. `hostField` is the Host header, valid or absent; `target` the request line's
   * target. null: the target is no path.
   */
  read(hostField: string | undefined, target: string): Address | null {
    let given = hostField ?? '';
    if (target.charCodeAt(0) !== slash) {
      // RFC 9112 section 3.2.2: the absolute form, whose authority wins over Host.
      const match = /^https?:\/\/([^/?#]+)(.*)$/i.exec(target);
      // RFC 9110 section 4.2.4: user information in it is refused; isHost does not let it pass.
      if (match === null || !isHost(match[1] as string)) return null;
      given = match[1] as string;
      target = match[2]?.startsWith('/') ? match[2] : `/${match[2] ?? ''}`;
    }
    const fragment = target.indexOf('#');
    if (fragment >= 0) target = target.slice(0, fragment);
    const question = target.indexOf('?');
    const path = question < 0 ? target : target.slice(0, question);
    const query = question < 0 ? '' : target.slice(question + 1);
    // A NUL ends a string in most guests: what they would see is not what was asked for.
    if (path.includes('%00')) return null;

    const text = given === '' ? this.#domain : given;
    const authority = this.#last?.text === text ? this.#last : this.#authority(text);
    const { port } = authority;
    if (authority.label !== '') {
      const { label, host } = authority;
      return { label, scriptName: '', path, query, authority: given, host, port, byHost: true };
    }
    const end = path.indexOf('/', 1);
    const scriptName = end < 0 ? path : path.slice(0, end);
    return {
      label: scriptName.slice(1),
      scriptName,
      path: end < 0 ? '' : path.slice(end),
      query,
      authority: given,
      host: authority.host,
      port,
      byHost: false,
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
    };
    return this.#last;
  }
}

const dot = 0x2e;
const slash = 0x2f;
