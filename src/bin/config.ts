/**
 * Reads the server's settings, which are environment variables or stand in a file (config-file.ts): once, with one
 * clear line for a value that does not parse.
 */
import { isIP } from 'node:net';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { parseBusUrl } from '../bus/bus-url.ts';
import type { Registration } from '../control/accounts/accounts.ts';
import { retentionLimits } from '../control/logs/retention.ts';
import { PlatformError } from '../protocol/errors.ts';
import { logLimits, MIB } from '../protocol/limits.ts';
import { labelPattern, type NodeLabels, placementLimits } from '../protocol/placement.ts';
import { TrustedProxies } from '../protocol/trusted-proxies.ts';
import { bad, baseUrl, type Environment, hostPorts, integer, listOf, oneOf, secret, text } from './config-values.ts';
import { hasTraces, type TraceSettings, traceChecks, traceSettings } from './trace-settings.ts';

export interface ServerConfig {
  /** Absolute path. */
  readonly dataFolder: string;
  readonly host: string;
  /** Port to listen on; 0: any free port. */
  readonly port: number;
  readonly runPort: number;
  readonly runners: number;
  readonly registration: Registration;
  readonly domain: string;
  readonly egressAllow: readonly string[];
  /** host:port that drains may reach although the address is private. */
  readonly drainAllow: readonly string[];
  /** Public base URLs behind a proxy, without a slash at the end; null: made from host and port. */
  readonly url: string | null;
  readonly runUrl: string | null;
  /** Base URL at which other controls on the same database reach this one; null: made from host and port. */
  readonly internalUrl: string | null;
  /** Proxies whose forwarding fields are believed. */
  readonly trustedProxies: TrustedProxies;
  /** URL of a PostgreSQL database, with its password; null: the SQLite file in the data folder. */
  readonly database: string | null;
  /** Seconds that runners go on serving after SIGTERM while no next control has taken over. */
  readonly graceS: number;
  /** Bytes that one user may store. */
  readonly quotaBytes: number;
  /** Days and bytes of log lines that are kept of a handler. */
  readonly logDays: number;
  readonly logBytes: number;
  /** Bearer token that readers of /metrics must send; null: only clients on the same machine may read them. */
  readonly metricsToken: string | null;
  /** Token of proxies on other machines that ask for which hosts they may get certificates; null: none may. */
  readonly askToken: string | null;
  /** IP addresses of DNS servers for the checks of custom domains; empty: those of the system. */
  readonly dnsServers: readonly string[];
  /** Traces that are handed to a receiver (OTEL_… variables); null: none. */
  readonly traces: TraceSettings | null;
  /** What makes this control one of a cluster; null: the runners are on this machine. */
  readonly cluster: ClusterConfig | null;
}

export interface ClusterConfig {
  /** Address of NATS, with credentials. */
  readonly nats: string;
  /** Address of NATS that nodes are told, with credentials of nodes. */
  readonly natsOfNodes: string;
}

/** Settings of `trisiel node`: its own, and those that it shares with `trisiel serve`. */
export interface NodeConfig
  extends Pick<
    ServerConfig,
    'dataFolder' | 'host' | 'runPort' | 'runners' | 'egressAllow' | 'trustedProxies' | 'graceS' | 'traces'
  > {
  /** What `wasmcloud nodes add` has printed: URLs of controls, and the token. */
  readonly join: { readonly urls: readonly string[]; readonly token: string };
  /** Address of NATS with credentials; null: as the control says. */
  readonly nats: string | null;
  /** URL at which controls and proxies reach the functions of this node; null: made from host and port. */
  readonly url: string | null;
  /** Labels of this node, which manifests can ask for. */
  readonly labels: NodeLabels;
}

/** Greatest number of runners. More do not help on one machine; each one costs about 60 MB. */
const runnersMax = 64;

/**
 * Range and default of TRISIEL_QUOTA_BYTES. Below the minimum not even one small handler fits; the maximum is one
 * petabyte.
 */
const quotaBytes = { min: MIB, max: 2 ** 50, standard: 2048 * MIB } as const;

/** Readers of settings: each reads one from the environment, or throws `bad_request`. */
type Readers<T> = { readonly [K in keyof T]: (env: Environment) => T[K] };

const runPort = (env: Environment): number => integer(env, 'TRISIEL_RUN_PORT', 3003, 0, 65_535);

const serverReaders: Readers<ServerConfig> = {
  dataFolder: (env) => resolve(text(env, 'TRISIEL_DATA', './data')),
  host: (env) => text(env, 'TRISIEL_HOST', '127.0.0.1', /^[0-9A-Za-z.:_-]+$/, 'a host name or IP address'),
  port: (env) => integer(env, 'TRISIEL_PORT', 3002, 0, 65_535),
  runPort: (env) => {
    const taken = integer(env, 'TRISIEL_PORT', 3002, 0, 65_535);
    const port = runPort(env);
    if (port === taken && port !== 0) throw bad('TRISIEL_RUN_PORT', String(port), 'another port than TRISIEL_PORT');
    return port;
  },
  runners: (env) => integer(env, 'TRISIEL_RUNNERS', availableParallelism(), 1, runnersMax),
  registration: (env) => oneOf(env, 'TRISIEL_REGISTRATION', ['invite', 'open', 'closed']),
  domain: (env) =>
    text(
      env,
      'TRISIEL_DOMAIN',
      'localhost',
      /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/,
      'a domain name in lower case',
    ),
  egressAllow: (env) => hostPorts(env, 'TRISIEL_EGRESS_ALLOW'),
  drainAllow: (env) => hostPorts(env, 'TRISIEL_DRAIN_ALLOW'),
  url: (env) => baseUrl(env, 'TRISIEL_URL'),
  runUrl: (env) => baseUrl(env, 'TRISIEL_RUN_URL'),
  internalUrl: (env) => baseUrl(env, 'TRISIEL_INTERNAL_URL'),
  trustedProxies: (env) => proxies(env, 'TRISIEL_TRUSTED_PROXIES'),
  database: (env) => databaseUrl(env, 'TRISIEL_DATABASE'),
  graceS: (env) => integer(env, 'TRISIEL_GRACE_S', 30, 0, 3_600),
  quotaBytes: (env) => integer(env, 'TRISIEL_QUOTA_BYTES', quotaBytes.standard, quotaBytes.min, quotaBytes.max),
  logDays: (env) => integer(env, 'TRISIEL_LOG_DAYS', retentionLimits.retainedDays, 1, logLimits.retainedDaysMax),
  logBytes: (env) => integer(env, 'TRISIEL_LOG_BYTES', retentionLimits.retainedBytes, MIB, 2 ** 40),
  metricsToken: (env) => token(env, 'TRISIEL_METRICS_TOKEN'),
  askToken: (env) => token(env, 'TRISIEL_ASK_TOKEN'),
  dnsServers: (env) => dnsServers(env, 'TRISIEL_DNS'),
  traces: traceSettings,
  cluster,
};

const { host, runners, egressAllow, trustedProxies, graceS, traces } = serverReaders;

const nodeReaders: Readers<NodeConfig> = {
  ...{ host, runPort, runners, egressAllow, trustedProxies, graceS, traces },
  dataFolder: (env) => resolve(text(env, 'TRISIEL_DATA', './node')),
  nats: (env) => busUrl(env, 'TRISIEL_NATS'),
  url: (env) => baseUrl(env, 'TRISIEL_NODE_URL'),
  labels: (env) => nodeLabels(env, 'TRISIEL_NODE_LABELS'),
  join: (env) => joinOf(env, 'TRISIEL_JOIN'),
};

/**
 * Returns the settings of `trisiel serve`. A variable that is unset or empty has its default; a variable that may hold
 * a secret can be given as a file instead, named by NAME_FILE. Throws `bad_request` that names the variable, its value
 * (no secret) and what would be right.
 */
export function readConfig(env: Environment): ServerConfig {
  return readAll(serverReaders, env);
}

/**
 * Returns the settings of `trisiel node`. Throws `bad_request` as readConfig does, also where TRISIEL_JOIN is not set.
 */
export function readNodeConfig(env: Environment): NodeConfig {
  return readAll(nodeReaders, env);
}

/**
 * Returns one line for each setting that a start would refuse: a start of `trisiel node` where TRISIEL_JOIN is set,
 * else one of `trisiel serve`.
 */
export function configProblems(env: Environment): readonly string[] {
  const isNode = [env.TRISIEL_JOIN, env.TRISIEL_JOIN_FILE].some((value) => (value ?? '') !== '');
  const natsOfNodes = (env: Environment) => busUrl(env, 'TRISIEL_NATS_NODES');
  const checks = isNode ? Object.values(nodeReaders) : [...Object.values(serverReaders), natsOfNodes];
  const ofTraces = traceChecks.map((check) => (env: Environment) => hasTraces(env) && check(env));
  return [...new Set([...checks, ...ofTraces].flatMap((check) => problemOf(check, env)))];
}

/** Calls `asked` with the name of each variable that the readers of settings read, once or several times. */
export function listSettings(asked: (name: string) => void): void {
  const env = new Proxy<Environment>(
    {},
    {
      get(_target, name) {
        if (typeof name === 'string') asked(name);
        return undefined;
      },
    },
  );
  for (const read of [...Object.values(serverReaders), ...Object.values(nodeReaders)]) problemOf(read, env);
}

function readAll<T>(readers: Readers<T>, env: Environment): T {
  const entries = Object.entries<(env: Environment) => unknown>(readers);
  // The type of `readers` says that each key of T has a reader of its type.
  return Object.fromEntries(entries.map(([key, read]) => [key, read(env)])) as T;
}

/** Returns the message of the error that `read` throws; empty: it throws none. */
function problemOf(read: (env: Environment) => unknown, env: Environment): readonly string[] {
  try {
    read(env);
    return [];
  } catch (error) {
    if (!(error instanceof PlatformError)) throw error;
    return [error.message];
  }
}

function dnsServers(env: Environment, name: string): readonly string[] {
  const entries = listOf(env[name]);
  for (const entry of entries)
    if (isIP(entry) === 0 && isIP(/^(?:\[(.+)\]|([^:]+)):\d{1,5}$/.exec(entry)?.slice(1).join('') ?? '') === 0)
      throw bad(name, entry, 'the IP address of a DNS server, such as 9.9.9.9 or [2620:fe::fe]:53');
  return entries;
}

/** Reads NAME=VALUE,NAME=VALUE. */
function nodeLabels(env: Environment, name: string): NodeLabels {
  const entries = listOf(env[name]);
  const labels: Record<string, string> = {};
  for (const entry of entries) {
    const [label = '', value = '', ...rest] = entry.split('=');
    if (!labelPattern.test(label) || !labelPattern.test(value) || rest.length > 0)
      throw bad(name, entry, 'a label such as zone=eu: on each side 1 to 63 of a-z, 0-9 and -, not - at the ends');
    if (Object.hasOwn(labels, label)) throw bad(name, env[name] ?? '', `a list that names ${label} once`);
    labels[label] = value;
  }
  if (entries.length > placementLimits.labels)
    throw bad(name, env[name] ?? '', `a list of at most ${placementLimits.labels} labels`);
  return labels;
}

function proxies(env: Environment, name: string): TrustedProxies {
  try {
    return TrustedProxies.parse(env[name] ?? '');
  } catch (error) {
    throw new PlatformError('bad_request', `${name}: ${error instanceof Error ? error.message : error}`);
  }
}

function databaseUrl(env: Environment, name: string): string | null {
  const value = secret(env, name);
  if (value === null) return null;
  const protocol = URL.canParse(value) ? new URL(value).protocol : '';
  if (protocol === 'postgres:' || protocol === 'postgresql:') return value;
  throw new PlatformError('bad_request', `${name} is not a URL such as postgres://USER:PASSWORD@HOST:5432/DATABASE`);
}

function cluster(env: Environment): ClusterConfig | null {
  const nats = busUrl(env, 'TRISIEL_NATS');
  const natsOfNodes = busUrl(env, 'TRISIEL_NATS_NODES');
  if (nats === null) return null;
  if (databaseUrl(env, 'TRISIEL_DATABASE') === null)
    throw new PlatformError('bad_request', 'TRISIEL_NATS is set, but TRISIEL_DATABASE is not', {
      hints: ['controls of a cluster share a PostgreSQL: TRISIEL_DATABASE=postgres://USER:PASSWORD@HOST:5432/NAME'],
    });
  return { nats, natsOfNodes: natsOfNodes ?? nats };
}

function busUrl(env: Environment, name: string): string | null {
  const value = secret(env, name);
  if (value !== null) parseBusUrl(value, name);
  return value;
}

/** Reads URL,URL…#TOKEN. */
function joinOf(env: Environment, name: string): NodeConfig['join'] {
  const [places = '', token = '', ...rest] = (secret(env, name) ?? '').split('#');
  const urls = places.split(',').map((url) => url.trim().replace(/\/+$/, ''));
  const areUrls = urls.every((url) => URL.canParse(url) && /^https?:$/.test(new URL(url).protocol));
  if (areUrls && /^tn_[A-Za-z0-9_-]{43}$/.test(token) && rest.length === 0) return { urls, token };
  throw new PlatformError('bad_request', `${name} is not set, or not what \`wasmcloud nodes add\` has printed`, {
    hints: ['an administrator of the platform makes one: wasmcloud nodes add NAME'],
  });
}

/**
 * Reads a token of other programs; null where it is not set. It is visible ASCII, as a Bearer token must be (RFC 6750,
 * 2.1), and not so short that it can be guessed. Throws PlatformError otherwise.
 */
function token(env: Environment, name: string): string | null {
  const value = secret(env, name);
  if (value === null || /^[\x21-\x7e]{16,1024}$/.test(value)) return value;
  throw new PlatformError('bad_request', `${name} is not 16 to 1024 visible ASCII characters`);
}
