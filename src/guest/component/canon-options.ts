/**
 * Checks what `canon lift` and `canon lower` say against the type of their function: that the options which the type
 * needs are there.
 *
 * Spec: component-model, "Component Model Binary Format Explainer", Canonical Definitions, CanonicalABI.md "canonopt
 * Validation".
 */
import { componentCaps } from './caps.ts';
import { flatAsyncParamsMax, flatParamsMax, flatResultsMax, flattenAll, hasLists, partsOf } from './flatten.ts';
import type { Options } from './graph.ts';
import { tooLargeComponent } from './refusals.ts';
import { type FunctionType, formatFunction, type WitType } from './wit.ts';

/** Counts the parts of the types of all functions that are lifted or lowered: each is looked at as a whole. */
export class FunctionParts {
  readonly #subject: string;
  readonly #parts = new WeakMap<FunctionType, number>();
  #sum = 0;

  constructor(subject: string) {
    this.#subject = subject;
  }

  /** Throws `module_too_large` if there are too many parts with those of `type`. */
  add(type: FunctionType): void {
    let parts = this.#parts.get(type);
    if (parts === undefined) {
      parts = [...type.params, { type: type.result }].reduce((sum, one) => sum + partsOf(one.type), 0);
      this.#parts.set(type, parts);
    }
    this.#sum += parts;
    if (this.#sum > componentCaps.functionParts)
      throw tooLargeComponent(
        this.#subject,
        'parts of the types of all lifted and lowered functions',
        componentCaps.functionParts,
      );
  }
}

interface Layout {
  /** Number of core values, of those that are listed. */
  readonly flat: number;
  readonly hasLists: boolean;
}

function layoutOf({ params, result }: FunctionType): { readonly params: Layout; readonly result: Layout } {
  const of = (types: readonly WitType[]): Layout => ({
    flat: flattenAll(types).length,
    hasLists: types.some(hasLists),
  });
  return { params: of(params.map(({ type }) => type)), result: of(result === null ? [] : [result]) };
}

/**
 * Returns whether a call of a function of `type`, lifted and lowered without `async`, uses memory of caller and callee.
 */
export function usesMemory(type: FunctionType): boolean {
  const { params, result } = layoutOf(type);
  return params.hasLists || params.flat > flatParamsMax || result.hasLists || result.flat > flatResultsMax;
}

/** Returns whether a function of `type` that is lowered `async` uses memory of its caller. */
export function lowerUsesMemory(type: FunctionType): boolean {
  const { params, result } = layoutOf(type);
  return params.hasLists || params.flat > flatAsyncParamsMax || result.flat > 0;
}

/** Returns what a lowered function lacks: the memory and the realloc that its type needs; null: nothing. */
export function lowerProblem(type: FunctionType, options: Options): string | null {
  const { params, result } = layoutOf(type);
  const paramsMax = options.async ? flatAsyncParamsMax : flatParamsMax;
  const resultsMax = options.async ? 0 : flatResultsMax;
  const isInMemory = params.hasLists || params.flat > paramsMax || result.hasLists || result.flat > resultsMax;
  if (isInMemory && options.memory === null) return lacks(type, 'lowered', 'a memory');
  if (result.hasLists && options.realloc === null) return lacks(type, 'lowered', 'realloc');
  return options.async && !type.async ? notAsync(type, 'lowered') : null;
}

/** Returns what a lifted function lacks: the memory and the realloc that its type needs; null: nothing. */
export function liftProblem(type: FunctionType, options: Options): string | null {
  const { params, result } = layoutOf(type);
  const isInMemory =
    params.hasLists ||
    params.flat > flatParamsMax ||
    // The result of an asynchronous function goes to task.return, with the options of the function.
    result.hasLists ||
    result.flat > (options.async ? flatParamsMax : flatResultsMax);
  if (isInMemory && options.memory === null) return lacks(type, 'lifted', 'a memory');
  if ((params.hasLists || params.flat > flatParamsMax) && options.realloc === null)
    return lacks(type, 'lifted', 'realloc');
  return options.async && !type.async ? notAsync(type, 'lifted') : null;
}

/**
 * Returns what is wrong with the options of `task.return`, which reads the result from memory and writes none; null:
 * nothing.
 */
export function taskReturnProblem(result: WitType | null, options: Options): string | null {
  if (options.realloc !== null || options.async)
    return `task.return with the option ${options.async ? 'async' : 'realloc'}`;
  const { flat, hasLists } = layoutOf({ params: [], result, async: false }).result;
  return (hasLists || flat > flatParamsMax) && options.memory === null ? 'task.return without a memory' : null;
}

/**
 * Returns what is wrong with the options of a read or write of a stream or future with values of `of`; null: nothing.
 */
export function copyProblem(op: string, of: WitType | null, options: Options): string | null {
  if (of === null) return null;
  if (options.memory === null) return `${op} without a memory`;
  return op.endsWith('read') && hasLists(of) && options.realloc === null ? `${op} without realloc` : null;
}

/**
 * Returns what is wrong with the options of a function of error contexts, whose messages lie in memory; null: nothing.
 */
export function errorContextProblem(op: string, options: Options): string | null {
  if (options.async) return `${op} with the option async`;
  if (options.memory === null) return `${op} without a memory`;
  return op.endsWith('message') && options.realloc === null ? `${op} without realloc` : null;
}

function lacks(type: FunctionType, what: 'lifted' | 'lowered', option: string): string {
  return `${text(type)} is ${what} without ${option}, which its type needs`;
}

function notAsync(type: FunctionType, what: 'lifted' | 'lowered'): string {
  return `${text(type)} is ${what} as asynchronous, and its type is not`;
}

function text(type: FunctionType): string {
  return formatFunction(type).slice(0, 300);
}
