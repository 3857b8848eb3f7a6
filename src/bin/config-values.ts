/**
 * Reads the values of single settings. A variable that is unset or empty has its default. Each reader throws
 * `bad_request` that names the variable, its value (no secret) and what would be right.
 */
import { readFileSync } from 'node:fs';
import { PlatformError } from '../protocol/errors.ts';

/** Values of settings by name, as environment variables have them. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Returns the error for a value that is not `wanted`, such as "a whole number from 1 to 64". */
export function bad(name: string, value: string, wanted: string): PlatformError {
  return new PlatformError('bad_request', `${name}=${JSON.stringify(value)} is not ${wanted}`);
}

/** Returns a text that matches `pattern`. */
export function text(
  env: Environment,
  name: string,
  fallback: string,
  pattern = /^[^\0]+$/,
  wanted = 'a path',
): string {
  const value = env[name];
  if (value === undefined || value === '') return fallback;
  if (!pattern.test(value)) throw bad(name, value, wanted);
  return value;
}

/** Returns a whole number from `min` to `max`. */
export function integer(env: Environment, name: string, fallback: number, min: number, max: number): number {
  const value = env[name];
  if (value === undefined || value === '') return fallback;
  const number = Number(value);
  if (!/^\d+$/.test(value) || number < min || number > max)
    throw bad(name, value, `a whole number from ${min} to ${max}`);
  return number;
}

/** Returns one of `values`; the first is the default. */
export function oneOf<T extends string>(env: Environment, name: string, values: readonly [T, ...T[]]): T {
  const value = env[name];
  if (value === undefined || value === '') return values[0];
  const found = values.find((candidate) => candidate === value);
  if (found === undefined) throw bad(name, value, `one of ${[...values].sort().join(', ')}`);
  return found;
}

/** Returns the entries of a list HOST:PORT,HOST:PORT. */
export function hostPorts(env: Environment, name: string): readonly string[] {
  const entries = listOf(env[name]);
  for (const entry of entries) {
    const port = Number(/^(?:\[[0-9a-fA-F:.]+\]|[^\s:/[\]]+):(\d{1,5})$/.exec(entry)?.[1] ?? Number.NaN);
    if (!(port >= 1 && port <= 65_535))
      throw bad(name, entry, 'host:port, for example 10.0.0.5:8080 or [fd00::1]:8080');
  }
  return entries;
}

/** Returns the entries of a list with commas, without spaces around them and without empty ones. */
export function listOf(value = ''): readonly string[] {
  return value
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
}

/** Returns an http or https URL without a slash at the end; null: it is not set. */
export function baseUrl(env: Environment, name: string): string | null {
  const value = env[name];
  if (value === undefined || value === '') return null;
  const url = URL.canParse(value) ? new URL(value) : null;
  if (url === null || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '' || url.username !== '') {
    throw bad(name, value, 'an http or https URL such as https://functions.example.com');
  }
  return value.replace(/\/+$/, '');
}

/**
 * Returns a value that no message may show: of `name`, or of the file that `name`_FILE names, without line ends. Null:
 * neither is set. Throws where both are.
 */
export function secret(env: Environment, name: string): string | null {
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
