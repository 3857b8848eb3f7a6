/**
 * Lays the server's environment variables over its configuration file, trisiel.toml. The file has the names of the
 * variables as keys, so that there is one list of settings.
 */

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parse, TomlError } from 'smol-toml';
import { TomlLines } from '../control/deploy/toml-lines.ts';
import { editDistance } from '../protocol/edit-distance.ts';
import { PlatformError } from '../protocol/errors.ts';
import { listSettings } from './config.ts';
import type { Environment } from './config-values.ts';

/** Variable that names the file. Without it the file is `trisiel.toml` in the working directory, if there is one. */
export const configVariable = 'TRISIEL_CONFIG';
const defaultFile = 'trisiel.toml';
/** Bytes of a file; the longest sensible one has some thousand. */
const fileBytesMax = 256 * 1024;
/** Mistakes of one file that are told besides the first: a page of a terminal. */
const problemsShown = 20;

export interface LoadedSettings {
  /** Values by name, as readConfig takes them: variables, and the file's values of names that no variable sets. */
  readonly values: Environment;
  /** Absolute path of the file; null: there is none. */
  readonly file: string | null;
  /** Names whose values are the file's. */
  readonly fromFile: ReadonlySet<string>;
  /** Names that the file sets in vain, because a variable sets them too. */
  readonly overridden: readonly string[];
}

/** A setting of the server. */
export interface KnownSetting {
  readonly name: string;
  /** Whether the value is a secret, which can also be given as a file named by NAME_FILE. */
  readonly isSecret: boolean;
}

/** Returns the settings of `trisiel serve`, then those of `trisiel node` alone. What reads them decides what is one. */
export function knownSettings(): readonly KnownSetting[] {
  const asked = new Set<string>();
  listSettings((name) => asked.add(name));
  return [...asked]
    .filter((name) => name.startsWith('TRISIEL_') && (!asked.has(withoutFile(name)) || withoutFile(name) === name))
    .map((name) => ({ name, isSecret: asked.has(`${name}_FILE`) }));
}

/** Returns the names under which settings can be set: NAME, and NAME_FILE of a secret. */
export function settingNames(): readonly string[] {
  return knownSettings().flatMap(({ name, isSecret }) => (isSecret ? [name, `${name}_FILE`] : [name]));
}

/**
 * Returns the settings of this process. `file`: path of the file; absent: the one that TRISIEL_CONFIG names, else
 * trisiel.toml in the working directory. An empty variable counts as unset. Throws `bad_request` that names the file
 * and the line for a file that cannot be read, an unknown key, a value of the wrong type; the error's details have the
 * further keys and values.
 */
export function loadSettings(env: Environment, file?: string): LoadedSettings {
  const named = file ?? (env[configVariable] || undefined);
  const path = resolve(named ?? defaultFile);
  const text = readText(path, named !== undefined);
  if (text === null) return { values: env, file: null, fromFile: new Set(), overridden: [] };
  const entries = Object.entries(parseSettings(text, path));
  const isSet = (name: string): boolean => (env[name] ?? '') !== '';
  // NAME and NAME_FILE are two ways to give one setting.
  const isOverridden = (name: string): boolean => isSet(withoutFile(name)) || isSet(`${withoutFile(name)}_FILE`);
  const used = entries.filter(([name]) => !isOverridden(name));
  return {
    values: { ...env, ...Object.fromEntries(used) },
    file: path,
    fromFile: new Set(used.map(([name]) => name)),
    overridden: entries.filter(([name]) => isOverridden(name)).map(([name]) => name),
  };
}

/**
 * Returns the known name with the fewest differences from `name`, at most a third of its length; null: none is near.
 */
export function nearestSetting(name: string): string | null {
  const wanted = withoutFile(name.toUpperCase().slice(0, 64));
  const rated = knownSettings()
    .map((known) => ({ known: known.name, distance: editDistance(wanted, known.name) }))
    .sort((a, b) => a.distance - b.distance);
  const best = rated[0];
  return best !== undefined && best.distance <= best.known.length / 3 ? best.known : null;
}

/** Returns the text of the file; null where it does not exist and is not `required`. */
function readText(path: string, required: boolean): string | null {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    if (code === 'ENOENT' && !required) return null;
    throw new PlatformError('bad_request', `the configuration file ${path} cannot be read (${code})`);
  }
  if (bytes.length > fileBytesMax)
    throw new PlatformError('bad_request', `${path} has more than ${fileBytesMax} bytes`);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new PlatformError('bad_request', `${path} is not UTF-8`, { cause: error });
  }
}

/** Returns the file's values by name, as variables would have them. */
function parseSettings(text: string, path: string): Readonly<Record<string, string>> {
  let document: Readonly<Record<string, unknown>>;
  try {
    document = parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const what = error.message.split('\n')[0]?.replace(/^Invalid TOML document: /, '');
    throw new PlatformError('bad_request', `${path}, line ${error.line}: ${what}`);
  }
  const lines = new TomlLines(text);
  const known = new Set(settingNames());
  const values: Record<string, string> = {};
  const problems: { readonly text: string; readonly hint?: string }[] = [];
  for (const [name, value] of Object.entries(document)) {
    const asText = textOf(value);
    const line = `line ${lines.of([name])}`;
    if (!known.has(name)) {
      const nearest = nearestSetting(name);
      problems.push({
        text: `${line}: ${JSON.stringify(name.slice(0, 80))} is no setting`,
        hint: nearest === null ? 'the settings: trisiel config show' : `did you mean ${nearest}?`,
      });
    } else if (asText === null)
      problems.push({ text: `${line}: ${name} is neither text, nor a whole number, nor a list of these` });
    else values[name] = asText;
  }
  const [first, ...others] = problems;
  if (first === undefined) return values;
  throw new PlatformError('bad_request', `${path}, ${first.text}`, {
    details: others.slice(0, problemsShown).map(({ text, hint }) => (hint === undefined ? text : `${text}; ${hint}`)),
    hints: first.hint === undefined ? [] : [first.hint],
  });
}

/** Returns a TOML value as the text of a variable, lists with commas; null for a value that no variable can have. */
function textOf(value: unknown): string | null {
  if (Array.isArray(value)) {
    const items = value.map((item) => (Array.isArray(item) ? null : textOf(item)));
    return items.some((item) => item === null) ? null : items.join(',');
  }
  if (typeof value === 'string') return value;
  return typeof value === 'bigint' || Number.isSafeInteger(value) ? String(value) : null;
}

function withoutFile(name: string): string {
  return name.replace(/_FILE$/, '');
}
