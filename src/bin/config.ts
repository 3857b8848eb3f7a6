/**
 * Reads the server's settings, which are environment variables or stand in a file (config-file.ts): once, with one
 * clear line for a value that does not parse.
 */
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { parseBusUrl } from '../bus/bus-url.ts';
import type { Registration } from '../control/accounts/accounts.ts';
import { retentionLimits } from '../control/logs/retention.ts';
import { PlatformError } from '../protocol/errors.ts';
import { logLimits, MIB } from '../protocol/limits.ts';
import { labelPattern, type NodeLabels, placementLimits } from '../protocol/placement.ts';
import type { TraceSampling } from '../protocol/spans.ts';
import { TrustedProxies } from '../protocol/trusted-proxies.ts';

/** Values of settings by name, as environment variables have them. */
export type Environment = Readonly<Record<string, string | undefined>>;

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

export interface TraceSettings {
  readonly sampling: TraceSampling;
  /** Attributes of the platform in each batch of spans. */
  readonly resource: Readonly<Record<string, string>>;
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

function bad(name: string, value: string, wanted: string): PlatformError {
  return new PlatformError('bad_request', `${name}=${JSON.stringify(value)} is not ${wanted}`);
}

function text(env: Environment, name: string, fallback: string, pattern = /^[^\0]+$/, wanted = 'a path'): string {
  const value = env[name];
  if (value === undefined || value === '') return fallback;
  if (!pattern.test(value)) throw bad(name, value, wanted);
  return value;
}

function integer(env: Environment, name: string, fallback: number, min: number, max: number): number {
  const value = env[name];
  if (value === undefined || value === '') return fallback;
  const number = Number(value);
  if (!/^\d+$/.test(value) || number < min || number > max)
    throw bad(name, value, `a whole number from ${min} to ${max}`);
  return number;
}

function oneOf<T extends string>(env: Environment, name: string, values: readonly [T, ...T[]]): T {
  const value = env[name];
  if (value === undefined || value === '') return values[0];
  const found = values.find((candidate) => candidate === value);
  if (found === undefined) throw bad(name, value, `one of ${[...values].sort().join(', ')}`);
  return found;
}

function hostPorts(env: Environment, name: string): readonly string[] {
  const entries = listOf(env[name]);
  for (const entry of entries) {
    const port = Number(/^(?:\[[0-9a-fA-F:.]+\]|[^\s:/[\]]+):(\d{1,5})$/.exec(entry)?.[1] ?? Number.NaN);
    if (!(port >= 1 && port <= 65_535))
      throw bad(name, entry, 'host:port, for example 10.0.0.5:8080 or [fd00::1]:8080');
  }
  return entries;
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

function listOf(value = ''): readonly string[] {
  return value
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
}

function baseUrl(env: Environment, name: string): string | null {
  const value = env[name];
  if (value === undefined || value === '') return null;
  const url = URL.canParse(value) ? new URL(value) : null;
  if (url === null || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '' || url.username !== '') {
    throw bad(name, value, 'an http or https URL such as https://functions.example.com');
  }
  return value.replace(/\/+$/, '');
}

function proxies(env: Environment, name: string): TrustedProxies {
  try {
    return TrustedProxies.parse(env[name] ?? '');
  } catch (error) {
    throw new PlatformError('bad_request', `${name}: ${error instanceof Error ? error.message : error}`);
  }
}

/** Returns a value that no message may show: of `name`, or of the file that `name`_FILE names, without line ends. */
function secret(env: Environment, name: string): string | null {
  const value = env[name] ?? '';
  const file = env[`${name}_FILE`] ?? '';
  if (file === '') return value === '' ? null : value;
  if (value !== '') throw new PlatformError('bad_request', `${name} and ${name}_FILE are both set; keep one of them`);
  try {
    const text = readFileSync(file, 'utf8').replace(/(?:\r?\n)+$/, '');
    if (text !== '') return text;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw new PlatformError('bad_request', `${name}_FILE=${JSON.stringify(file)} cannot be read (${code})`);
  }
  throw new PlatformError('bad_request', `${name}_FILE=${JSON.stringify(file)} is an empty file`);
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

/**
 * Reads the usual variables of OpenTelemetry (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/)
 * that its exporter does not read itself. Null where there is no receiver, or where traces are turned off. Throws
 * PlatformError for a value that asks for what cannot be done.
 */
function traceSettings(env: Environment): TraceSettings | null {
  if (!hasTraces(env)) return null;
  for (const check of traceChecks) check(env);
  const name = env.OTEL_SERVICE_NAME ?? '';
  return {
    sampling: traceSampling(env),
    resource: {
      'service.name': 'trisiel',
      ...resourceAttributes(env),
      ...(name === '' ? {} : { 'service.name': name }),
    },
  };
}

function hasTraces(env: Environment): boolean {
  const exporter = env.OTEL_TRACES_EXPORTER ?? '';
  if (env.OTEL_SDK_DISABLED?.toLowerCase() === 'true' || exporter === 'none') return false;
  if (exporter !== '' && exporter !== 'otlp') throw bad('OTEL_TRACES_EXPORTER', exporter, 'otlp or none');
  const urls = [env.OTEL_EXPORTER_OTLP_ENDPOINT, env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT];
  return exporter !== '' || urls.some((url) => (url ?? '') !== '');
}

/** Checks of single variables of traces: each throws PlatformError for a value that cannot be used. */
const traceChecks: readonly ((env: Environment) => unknown)[] = [
  (env) => receiverUrl(env, 'OTEL_EXPORTER_OTLP_ENDPOINT'),
  (env) => receiverUrl(env, 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'),
  (env) => protocol(env, 'OTEL_EXPORTER_OTLP_PROTOCOL'),
  (env) => protocol(env, 'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL'),
  traceSampling,
];

function protocol(env: Environment, name: string): void {
  const value = env[name] ?? '';
  if (!['', 'http/json', 'http/protobuf'].includes(value)) throw bad(name, value, 'http/json');
}

function receiverUrl(env: Environment, name: string): void {
  const value = env[name] ?? '';
  if (value === '') return;
  // The value is not repeated: it may hold a password.
  if (!URL.canParse(value) || !/^https?:$/.test(new URL(value).protocol))
    throw new PlatformError('bad_request', `${name} is not an http or https URL such as http://127.0.0.1:4318`);
}

function traceSampling(env: Environment): TraceSampling {
  const names = ['always_on', 'always_off', 'traceidratio'] as const;
  const all = [...names, ...names.map((name) => `parentbased_${name}` as const)] as const;
  const value = env.OTEL_TRACES_SAMPLER ?? '';
  const sampler = value === '' ? 'parentbased_always_on' : all.find((name) => name === value);
  if (sampler === undefined) throw bad('OTEL_TRACES_SAMPLER', value, `one of ${all.join(', ')}`);
  const isParentBased = sampler.startsWith('parentbased_');
  if (!sampler.endsWith('traceidratio')) return { isParentBased, ratio: sampler.endsWith('always_on') ? 1 : 0 };
  const argument = env.OTEL_TRACES_SAMPLER_ARG ?? '';
  const ratio = argument === '' ? 1 : Number(argument);
  if (!(ratio >= 0 && ratio <= 1)) throw bad('OTEL_TRACES_SAMPLER_ARG', argument, 'a number from 0 to 1');
  return { isParentBased, ratio };
}

/** Reads `key=value,key=value`, percent-encoded. What is no such pair is left out, as the specification says. */
function resourceAttributes(env: Environment): Readonly<Record<string, string>> {
  const attributes: Record<string, string> = {};
  for (const pair of (env.OTEL_RESOURCE_ATTRIBUTES ?? '').split(',')) {
    const [, key, value] = /^\s*([^=\s]+)\s*=\s*(.*?)\s*$/.exec(pair) ?? [];
    if (key === undefined || value === undefined) continue;
    try {
      attributes[decodeURIComponent(key)] = decodeURIComponent(value);
    } catch {
      // A percent sign that begins no octet.
    }
  }
  return attributes;
}
