/**
 * Finds the start-up of a module: the functions to run once before its first call, which a snapshot runs at the push.
 */
import type { Module } from '../format/model.ts';

/**
 * Exports that initialise a module, in the order in which they run: `_initialize` of a reactor, then one of Wizer's.
 */
const reactorName = '_initialize';
const wizerNames = ['wizer.initialize', 'wizer_initialize'] as const;

/** Names of all exports that start a module up; a snapshot does not have them. */
export const startUpNames: readonly string[] = [reactorName, ...wizerNames];

/** Export that programs for Wizer want called in place of `_start` after the start-up. */
export const resumeName = 'wizer.resume';

export interface StartUp {
  /** Indices of the functions, in the order in which they run. */
  readonly functions: readonly number[];
  /** Names of their exports, in the same order. */
  readonly names: readonly string[];
}

/**
 * Returns the start-up of `module`: `_initialize` if exported, then `wizer.initialize`, else `wizer_initialize`.
 * Returns a text that says why if there is none, or if one cannot be called: each must be the module's own function of
 * type () -> ().
 */
export function startUpOf(module: Module): StartUp | string {
  const exported = (name: string) => module.exports.find((one) => one.kind === 'function' && one.name === name);
  const wizer = wizerNames.find((name) => exported(name) !== undefined);
  const names = [reactorName, ...(wizer === undefined ? [] : [wizer])].filter((name) => exported(name) !== undefined);
  if (names.length === 0) return `it exports none of ${startUpNames.join(', ')}`;
  const functions: number[] = [];
  for (const name of names) {
    const index = exported(name)?.index ?? 0;
    if (index < module.functionImports.length) return `its export ${name} is an imported function`;
    if (!takesNothing(module, index)) return `its export ${name} takes or returns values`;
    functions.push(index);
  }
  return { functions, names };
}

/** Returns whether function `index` has the type () -> (). */
export function takesNothing(module: Module, index: number): boolean {
  const type = module.types[module.functionTypes[index] ?? -1];
  return type !== undefined && type.params.length === 0 && type.results.length === 0;
}
