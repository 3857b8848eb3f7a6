/** Reads `--policy FILE`: Olin's syntax, or the [policy] and [limits] of a wasmcloud.toml. */

import { readFile } from 'node:fs/promises';
import { parse, TomlError } from 'smol-toml';
import { parseOlinPolicy } from '../../src/guest/kernel/olin-policy.ts';
import { policyRule } from '../../src/guest/kernel/policy.ts';
import { messageOf, PlatformError } from '../../src/protocol/errors.ts';
import {
  defaultLimits,
  exactMemoryKey,
  type LimitName,
  type Limits,
  limitKeyOf,
  limitNames,
  maximumLimits,
  olinLimits,
} from '../../src/protocol/limits.ts';
import { type Policy, type PolicyList, policyLists } from '../../src/protocol/nouns.ts';
import { recordOf } from '../../src/protocol/record-of.ts';

export interface RunRules {
  readonly policy: Policy | null;
  readonly limits: Limits;
  /** Whether the memory has no reserve. */
  readonly exactMemory: boolean;
}

export const noRules: RunRules = { policy: null, limits: defaultLimits, exactMemory: false };

/** Returns the rules of a file. Throws `manifest_invalid` that names the line, if one is known. */
export async function readPolicyFile(file: string): Promise<RunRules> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new PlatformError('not_found', `${file} cannot be read: ${messageOf(cause)}`, { cause });
  });
  return file.endsWith('.toml') ? fromManifest(text, file) : fromOlin(text, file);
}

function fromOlin(text: string, file: string): RunRules {
  const { policy, ramPageLimit, gasLimit } = parseOlinPolicy(text, file);
  return {
    policy,
    limits: {
      ...olinLimits,
      ...(ramPageLimit === undefined ? {} : { memoryPages: ramPageLimit }),
      ...(gasLimit === undefined ? {} : { gas: gasLimit }),
    },
    exactMemory: false,
  };
}

function fromManifest(text: string, file: string): RunRules {
  const { policy, limits } = parseToml(text, file);
  return {
    policy: isTable(policy) ? recordOf(policyLists, (list) => rules(policy, list, file)) : null,
    limits: recordOf(limitNames, (name) => limit(limits, name, file)),
    exactMemory: exactMemory(limits, file),
  };
}

function parseToml(text: string, file: string): Record<string, unknown> {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const why = error.message.split('\n')[0]?.replace(/^Invalid TOML document: /, '');
    throw new PlatformError('manifest_invalid', `${file}, line ${error.line}: ${why}`);
  }
}

function rules(table: Record<string, unknown>, name: PolicyList, file: string): readonly string[] {
  const list = table[name] ?? [];
  if (!Array.isArray(list) || !list.every((rule) => typeof rule === 'string'))
    throw new PlatformError('manifest_invalid', `${file}: policy.${name} is a list of strings`);
  for (const rule of list) {
    try {
      policyRule(rule);
    } catch (error) {
      throw new PlatformError('manifest_invalid', `${file}: policy.${name}: ${messageOf(error)}`);
    }
  }
  return list;
}

function limit(table: unknown, name: LimitName, file: string): number {
  const key = limitKeyOf(name);
  const value = isTable(table) ? table[key] : undefined;
  if (value === undefined) return defaultLimits[name];
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > maximumLimits[name])
    throw new PlatformError(
      'manifest_invalid',
      `${file}: limits.${key} is a whole number from 1 to ${maximumLimits[name]}`,
    );
  return value;
}

function exactMemory(table: unknown, file: string): boolean {
  const value = isTable(table) ? (table[exactMemoryKey] ?? false) : false;
  if (typeof value !== 'boolean')
    throw new PlatformError('manifest_invalid', `${file}: limits.${exactMemoryKey} is true or false`);
  return value;
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
