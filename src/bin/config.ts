/** The server's environment variables (docs/operations.md): parsed once, one clear line for a bad one. */
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { PlatformError } from '../protocol/errors.ts';

export type Registration = 'open' | 'invite' | 'closed';

export interface ServerConfig {
  /** Absolute. */
  readonly dataFolder: string;
  readonly host: string;
  /** 0 = any. */
  readonly port: number;
  readonly runPort: number;
  readonly runners: number;
  readonly registration: Registration;
  readonly domain: string;
  readonly egressAllow: readonly string[];
  /** Public base URLs behind a proxy, without a slash at the end; null: made from host and port. */
  readonly url: string | null;
  readonly runUrl: string | null;
}

/** More runners than this help nobody on one machine; each costs about 60 MB. */
const runnersMax = 64;

/** Throws `bad_request` naming the variable, what it holds and what would be right. */
export function readConfig(env: Readonly<Record<string, string | undefined>>): ServerConfig {
  return {
    dataFolder: resolve(text(env, 'TRISIEL_DATA', './data')),
    host: text(env, 'TRISIEL_HOST', '127.0.0.1', /^[0-9A-Za-z.:_-]+$/, 'a host name or IP address'),
    port: integer(env, 'TRISIEL_PORT', 3002, 0, 65_535),
    runPort: integer(env, 'TRISIEL_RUN_PORT', 3003, 0, 65_535),
    runners: integer(env, 'TRISIEL_RUNNERS', availableParallelism(), 1, runnersMax),
    registration: oneOf(env, 'TRISIEL_REGISTRATION', ['invite', 'open', 'closed']),
    domain: text(
      env,
      'TRISIEL_DOMAIN',
      'localhost',
      /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/,
      'a domain name in lower case',
    ),
    egressAllow: hostPorts(env, 'TRISIEL_EGRESS_ALLOW'),
    url: baseUrl(env, 'TRISIEL_URL'),
    runUrl: baseUrl(env, 'TRISIEL_RUN_URL'),
  };
}

type Env = Readonly<Record<string, string | undefined>>;

function bad(name: string, value: string, wanted: string): PlatformError {
  return new PlatformError('bad_request', `${name}=${JSON.stringify(value)} is not ${wanted}`);
}

function text(env: Env, name: string, fallback: string, pattern = /^[^\0]+$/, wanted = 'a path'): string {
  const value = env[name];
  if (value === undefined || value === '') return fallback;
  if (!pattern.test(value)) throw bad(name, value, wanted);
  return value;
}

function integer(env: Env, name: string, fallback: number, min: number, max: number): number {
  const value = env[name];
  if (value === undefined || value === '') return fallback;
  const number = Number(value);
  if (!/^\d+$/.test(value) || number < min || number > max)
    throw bad(name, value, `a whole number from ${min} to ${max}`);
  return number;
}

function oneOf<T extends string>(env: Env, name: string, values: readonly [T, ...T[]]): T {
  const value = env[name];
  if (value === undefined || value === '') return values[0];
  const found = values.find((candidate) => candidate === value);
  if (found === undefined) throw bad(name, value, `one of ${[...values].sort().join(', ')}`);
  return found;
}

function hostPorts(env: Env, name: string): readonly string[] {
  const entries = (env[name] ?? '')
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
  for (const entry of entries) {
    const port = Number(/^(?:\[[0-9a-fA-F:.]+\]|[^\s:/[\]]+):(\d{1,5})$/.exec(entry)?.[1] ?? Number.NaN);
    if (!(port >= 1 && port <= 65_535))
      throw bad(name, entry, 'host:port, for example 10.0.0.5:8080 or [fd00::1]:8080');
  }
  return entries;
}

function baseUrl(env: Env, name: string): string | null {
  const value = env[name];
  if (value === undefined || value === '') return null;
  const url = URL.canParse(value) ? new URL(value) : null;
  if (url === null || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '' || url.username !== '') {
    throw bad(name, value, 'an http or https URL such as https://functions.example.com');
  }
  return value.replace(/\/+$/, '');
}
