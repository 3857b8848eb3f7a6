/**
 * Opens all connections of guests (docs/safety.md), only to addresses that it has checked: resolves a name once, checks
 * every address of the name, connects to a checked address, and compares the address of the connected peer again. TLS
 * verifies the certificate, with the name of the host as SNI.
 */
import { lookup as dnsLookup } from 'node:dns/promises';
import { connect as netConnect, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { SecureContext } from 'node:tls';
import { PlatformError } from '../../../protocol/errors.ts';
import { Errno } from '../errno.ts';
import { authority, canonicalAddress, deniedRange, type Host, parseHost } from './address.ts';
import { NetworkFailure, networkFailure } from './failure.ts';
import { aborted, inTime, settled } from './in-time.ts';
import { ConnectionSlots } from './slots.ts';

export const egressLimits = {
  /** Milliseconds for getaddrinfo, which can hang on an attacker's name server. */
  lookupTimeoutMs: 10_000,
  /** Milliseconds until TCP must be established; curl and browsers wait at least as long. */
  connectTimeoutMs: 10_000,
  /** Milliseconds for one of several addresses, before the next is tried (RFC 8305 wants less, slow links more). */
  attemptTimeoutMs: 2_000,
  /** Milliseconds from the TCP connection to a verified peer. */
  tlsTimeoutMs: 10_000,
  /** Most addresses of one name that are tried. All its addresses are checked. */
  addressesMax: 8,
  /** Milliseconds after which the host's own addresses are read again: DHCP and new containers change them. */
  ownAddressesMs: 5_000,
  /**
   * Most outbound sockets of one runner. A waiting invocation holds one; further ones wait in line. Far below the
   * 20,000 descriptors of a usual service, with room for as many incoming ones.
   */
  connectionsMax: 4_096,
  /**
   * Most of these sockets for one handler, so that a handler with a slow upstream leaves half of them to the others.
   */
  connectionsPerHandlerMax: 2_048,
} as const;

export type Lookup = (name: string) => Promise<readonly { readonly address: string }[]>;

export interface EgressOptions {
  /** `host:port` that guests may reach although its range is denied: as the guest writes it, or as it resolves. */
  readonly allow: readonly string[];
  /** Ports of the platform. The addresses of the host are denied in any case; the refusal names these ports. */
  readonly ownPorts: readonly number[];
  /** Setting of the operator that `allow` comes from, for refusals; absent: TRISIEL_EGRESS_ALLOW. */
  readonly allowedBy?: string;
  /** Returns the addresses of the host. Default: those of its interfaces. */
  readonly ownAddresses?: () => readonly string[];
  /** Returns all addresses of a name. Default: getaddrinfo. */
  readonly lookup?: Lookup;
  /** PEM certificates trusted in addition to Node's. */
  readonly ca?: readonly string[];
  readonly limits?: Partial<Record<keyof typeof egressLimits, number>>;
}

export interface ConnectOptions {
  readonly host: Host;
  readonly port: number;
  /** Protocols offered by ALPN; null for a connection without TLS. */
  readonly tls: { readonly alpn: readonly string[] } | null;
  /** Ends the attempt when aborted. */
  readonly signal: AbortSignal;
  /** Whether the connection stays open for writing when the peer has finished. */
  readonly halfOpen: boolean;
  /** Resolves a name in place of the egress. The lookup of the caller has a queue. */
  readonly lookup?: Lookup;
}

interface Tls {
  readonly connect: typeof import('node:tls').connect;
  /** Set if certificates other than Node's are trusted. */
  readonly context: SecureContext | undefined;
}

/** Makes an Egress. Throws `bad_request` if an entry of `allow` is not `host:port`. */
export function createEgress(options: EgressOptions): Egress {
  return new Egress(options);
}

/** Guards the outbound connections of one runner. */
export class Egress {
  readonly slots: ConnectionSlots;
  readonly lookup: Lookup;
  readonly #limits: Readonly<Record<keyof typeof egressLimits, number>>;
  readonly #allow: ReadonlySet<string>;
  /** Hosts of #allow, without ports and brackets. */
  readonly #allowedHosts: ReadonlySet<string>;
  readonly #ownPorts: ReadonlySet<number>;
  readonly #ownAddresses: () => readonly string[];
  #own: { readonly addresses: ReadonlySet<string>; readonly untilMs: number } | null = null;
  readonly #ca: readonly string[] | undefined;
  readonly #allowedBy: string;
  #tls: Promise<Tls> | null = null;

  constructor(options: EgressOptions) {
    this.#limits = { ...egressLimits, ...options.limits };
    this.#allow = new Set(options.allow.map(parseAllowed));
    this.#allowedHosts = new Set([...this.#allow].map((entry) => entry.replace(/:\d+$/, '').replace(/^\[|\]$/g, '')));
    this.#ownPorts = new Set(options.ownPorts);
    this.#ownAddresses = options.ownAddresses ?? interfaceAddresses;
    this.lookup = options.lookup ?? ((name) => dnsLookup(name, { all: true }));
    this.slots = new ConnectionSlots({
      max: this.#limits.connectionsMax,
      perShareMax: this.#limits.connectionsPerHandlerMax,
    });
    this.#ca = options.ca;
    this.#allowedBy = options.allowedBy ?? 'TRISIEL_EGRESS_ALLOW';
  }

  /** Returns why the literal address `host` may not be reached; null if it may, and for names. */
  refusal(host: Host, port: number): NetworkFailure | null {
    return host.kind === 'name' ? null : this.#check(host.address, host, port);
  }

  /**
   * Returns a connected, verified socket whose only listener is one for 'error'. Throws only NetworkFailure: denied (by
   * this guard), notFound (DNS), refused (by the peer, or its certificate), timedOut, closed (signal).
   */
  async connect(options: ConnectOptions): Promise<Socket> {
    const { host, port, signal } = options;
    const target = authority(host, port);
    // Loads node:tls before connecting: the connection could break during the load, while it has no listener.
    const tls = options.tls === null ? null : await this.loadTls();
    const addresses = await this.#resolve(options, target);
    const socket = await this.#dial(addresses, options, target);
    if (tls === null) return socket;
    try {
      return await this.#secure(tls, socket, options, target);
    } catch (error) {
      socket.destroy();
      if (signal.aborted) throw aborted(target);
      if (error instanceof NetworkFailure) throw error;
      throw new NetworkFailure(Errno.refused, networkFailure(error, `TLS with ${target} failed`).message, error);
    }
  }

  /** Loads node:tls, 5 MB that a run without TLS need not load. */
  loadTls(): Promise<Tls> {
    this.#tls ??= import('node:tls').then((tls) => ({
      connect: tls.connect,
      context:
        this.#ca === undefined
          ? undefined
          : tls.createSecureContext({ ca: [...tls.getCACertificates('default'), ...this.#ca] }),
    }));
    return this.#tls;
  }

  /**
   * Returns the canonical addresses of `name` that guests may reach: public ones, and those that the operator allows on
   * some port. Throws NetworkFailure as connect() does.
   */
  async addressesOf(name: string, signal: AbortSignal, lookup: Lookup): Promise<readonly string[]> {
    const found = await this.#lookupInTime(name, signal, lookup);
    const canonical = found.map(({ address }) => canonicalAddress(address)).filter((address) => address !== null);
    const reachable = new Set(canonical.filter((address) => this.#isReachable(address, name)));
    if (reachable.size > 0) return [...reachable].slice(0, this.#limits.addressesMax);
    if (canonical.length === 0) throw new NetworkFailure(Errno.notFound, `cannot resolve ${name}: no address`);
    throw new NetworkFailure(Errno.denied, `${name} is refused: it resolves to addresses that guests may not reach`);
  }

  #isReachable(address: string, name: string): boolean {
    if (deniedRange(address) === null && !this.#isOwn(address)) return true;
    return this.#allowedHosts.has(name) || this.#allowedHosts.has(address);
  }

  async #resolve(options: ConnectOptions, target: string): Promise<readonly string[]> {
    const { host, port } = options;
    if (host.kind === 'address') {
      const refusal = this.#check(host.address, host, port);
      if (refusal !== null) throw refusal;
      return [host.address];
    }
    const found = await this.#lookupInTime(host.name, options.signal, options.lookup ?? this.lookup);
    if (found.length === 0) throw new NetworkFailure(Errno.notFound, `cannot resolve ${host.name}: no address`);
    const addresses = new Set<string>();
    for (const { address } of found) {
      const canonical = canonicalAddress(address);
      if (canonical === null) throw new NetworkFailure(Errno.denied, `${target} is refused: it resolves to no address`);
      const refusal = this.#check(canonical, host, port);
      if (refusal !== null) throw refusal;
      addresses.add(canonical);
    }
    return [...addresses].slice(0, this.#limits.addressesMax);
  }

  #lookupInTime(name: string, signal: AbortSignal, lookup: Lookup): ReturnType<Lookup> {
    return inTime(lookup(name), signal, this.#limits.lookupTimeoutMs, `looking up ${name}`).catch((error: unknown) => {
      throw networkFailure(error, `cannot resolve ${name}`);
    });
  }

  /** Returns why `address` may not be reached as an address of `host`; null if it may. */
  #check(address: string, host: Host, port: number): NetworkFailure | null {
    const range = deniedRange(address);
    const isOwn = this.#isOwn(address);
    if (range === null && !isOwn) return null;
    const target = authority(host, port);
    if (this.#allow.has(target) || this.#allow.has(authority({ kind: 'address', address }, port))) return null;
    const what =
      (isOwn || range === 'loopback') && this.#ownPorts.has(port)
        ? 'a port of the platform itself'
        : isOwn
          ? 'an address of the platform’s own host'
          : `not a public address (${range})`;
    return new NetworkFailure(
      Errno.denied,
      `${target} is refused: it is ${what}; only the operator can allow it (${this.#allowedBy})`,
    );
  }

  #isOwn(address: string): boolean {
    const nowMs = performance.now();
    if (this.#own === null || this.#own.untilMs < nowMs) {
      const addresses = this.#ownAddresses().map((text) => canonicalAddress(text) ?? text);
      this.#own = { addresses: new Set(addresses), untilMs: nowMs + this.#limits.ownAddressesMs };
    }
    return this.#own.addresses.has(address);
  }

  async #dial(addresses: readonly string[], options: ConnectOptions, target: string): Promise<Socket> {
    if (options.signal.aborted) throw aborted(target);
    const checked = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
    const socket = netConnect({
      // Node connects to a single address directly. With several it calls `lookup`, which returns the checked ones, and
      // tries them in turn.
      host: addresses.length === 1 ? (addresses[0] as string) : 'checked.invalid',
      port: options.port,
      lookup: (_name, _options, done) => done(null, checked),
      autoSelectFamily: true,
      autoSelectFamilyAttemptTimeout: this.#limits.attemptTimeoutMs,
      allowHalfOpen: options.halfOpen,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: 60_000,
    });
    try {
      await settled(socket, 'connect', options.signal, this.#limits.connectTimeoutMs, `connecting to ${target}`);
      const peer = canonicalAddress(socket.remoteAddress ?? '');
      if (peer === null || !addresses.includes(peer))
        throw new NetworkFailure(Errno.denied, `${target} is refused: the connected peer is not the address checked`);
      return socket;
    } catch (error) {
      socket.destroy();
      if (options.signal.aborted) throw aborted(target);
      throw networkFailure(error, `cannot connect to ${target}`);
    }
  }

  async #secure(tls: Tls, socket: Socket, options: ConnectOptions, target: string): Promise<Socket> {
    const { host } = options;
    const secure = tls.connect({
      socket,
      // SNI takes no addresses (RFC 6066 3); the certificate is then compared with the address.
      host: host.kind === 'name' ? host.name : host.address,
      servername: host.kind === 'name' ? host.name : '',
      ALPNProtocols: [...(options.tls?.alpn ?? [])],
      ...(tls.context === undefined ? {} : { secureContext: tls.context }),
      rejectUnauthorized: true,
    });
    try {
      await settled(secure, 'secureConnect', options.signal, this.#limits.tlsTimeoutMs, `TLS with ${target}`);
      return secure;
    } catch (error) {
      secure.destroy();
      throw error;
    }
  }
}

/** Returns the entry `host:port` in the spelling used by checks. */
function parseAllowed(entry: string): string {
  const match = /^(.+):([0-9]{1,5})$/.exec(entry.trim());
  const host = parseHost(match?.[1] ?? '');
  const port = Number(match?.[2]);
  if (host === null || !(port >= 1 && port <= 65_535)) {
    throw new PlatformError('bad_request', `the egress allowance ${JSON.stringify(entry)} is not host:port`, {
      hints: ['write for example db.internal:5432, 10.0.0.7:8080 or [fd00::7]:8080'],
    });
  }
  return authority(host, port);
}

function interfaceAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map((one) => one.address));
}
