/** What all that makes random components works with. */
import { bytes, section, vector } from '../../support/component-builder.ts';
import type { Items, Part, Scope, Sort } from './scope.ts';

export interface Making {
  readonly random: (below: number) => number;
  /** Returns true once in `times` calls. */
  readonly once: (times: number) => boolean;
  /** Returns one of the items; undefined if there is none. */
  readonly pick: <T>(items: readonly T[]) => T | undefined;
  /** Returns the index of an item that `accept` takes, seldom any number; null if there is none. */
  readonly index: <S extends Sort>(scope: Scope, sort: S, accept?: (item: Items[S]) => boolean) => number | null;
  /** Returns a number that no other call returns, as a text. */
  readonly unique: () => string;
}

/** Adds a definition: a section of its own, or a declaration. */
export function define(
  scope: Scope,
  what: { readonly section: number; readonly declaration: number },
  part: Part,
): void {
  scope.parts.push(scope.kind === 'component' ? section(what.section, vector([part])) : bytes(what.declaration, part));
}

export const asType = { section: 7, declaration: 1 };
export const asAlias = { section: 6, declaration: 2 };
export const asImport = { section: 10, declaration: 3 };
export const asExport = { section: 11, declaration: 4 };
