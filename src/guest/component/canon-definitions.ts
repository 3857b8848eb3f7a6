/**
 * Evaluates canonical definitions: functions that are lifted and lowered, and the functions that the canonical ABI
 * defines. Errors: `module_invalid`, `module_too_large`.
 *
 * Spec: component-model, Explainer.md "Canonical Definitions".
 */
import {
  copyProblem,
  errorContextProblem,
  FunctionParts,
  liftProblem,
  lowerProblem,
  taskReturnProblem,
} from './canon-options.ts';
import type { Evaluation } from './evaluation.ts';
import { callbackType, flattenFunction, reallocType } from './flatten.ts';
import type { CanonFunction, CoreItem, Options, Scope } from './graph.ts';
import type { Canon, CanonOptions } from './model.ts';
import { TypeResolver } from './resolve-type.ts';
import { hasBorrows } from './type-contents.ts';
import type { FunctionType } from './wit.ts';

export class CanonDefinitions {
  readonly #evaluation: Evaluation;
  readonly #parts: FunctionParts;

  constructor(evaluation: Evaluation) {
    this.#evaluation = evaluation;
    this.#parts = new FunctionParts(evaluation.subject);
  }

  /** Adds the function that a canonical definition makes to the scope. */
  add(scope: Scope, canon: Canon): void {
    if (canon.op === 'lift') {
      const type = this.#evaluation.get(scope, 'type', canon.type);
      if (type.kind !== 'func') throw this.#evaluation.fail(`type ${canon.type} is no type of a function`);
      const core = this.#evaluation.get(scope, 'core func', canon.func);
      const options = this.#options(scope, canon.options);
      this.#checkLift(type.type, core, options);
      scope.spaces.func.push({ kind: 'lifted', core, options, type: type.type, component: scope.component });
      return;
    }
    scope.spaces['core func'].push({
      kind: 'canon',
      canon: this.#canonFunction(scope, canon),
      component: scope.component,
    });
  }

  #checkLift(type: FunctionType, core: CoreItem, options: Options): void {
    this.#parts.add(type);
    this.#require(liftProblem(type, options));
    const style = options.async ? (options.callback === null ? 'async' : 'callback') : 'sync';
    const lifted = flattenFunction(type, 'lift', style);
    this.#evaluation.expect(core, lifted, 'a lifted core function');
    if (options.postReturn !== null)
      this.#evaluation.expect(options.postReturn, { params: lifted.results, results: [] }, 'the option post-return');
    if (options.callback !== null) this.#evaluation.expect(options.callback, callbackType, 'the option callback');
  }

  #lower(scope: Scope, canon: Extract<Canon, { readonly op: 'lower' }>): CanonFunction {
    const func = this.#evaluation.get(scope, 'func', canon.func);
    const options = this.#options(scope, canon.options);
    this.#parts.add(func.type);
    this.#require(lowerProblem(func.type, options));
    return { op: 'lower', func, options };
  }

  /** Throws `module_invalid` if there is a problem. */
  #require(problem: string | null): void {
    if (problem !== null) this.#evaluation.fail(problem);
  }

  #canonFunction(scope: Scope, canon: Exclude<Canon, { readonly op: 'lift' }>): CanonFunction {
    const resolver = new TypeResolver(scope, this.#evaluation.subject);
    switch (canon.op) {
      case 'lower':
        return this.#lower(scope, canon);
      case 'resource.new':
      case 'resource.drop':
      case 'resource.rep': {
        const resource = resolver.resource(canon.type);
        if (canon.op !== 'resource.drop' && resource.component !== scope.component)
          this.#evaluation.fail(`${canon.op} of a resource that another component defines`);
        return { op: canon.op, resource };
      }
      case 'task.return': {
        const result = canon.result === null ? null : resolver.ref(canon.result);
        if (result !== null && hasBorrows(result)) this.#evaluation.fail('task.return of a borrowed resource');
        const options = this.#options(scope, canon.options);
        this.#require(taskReturnProblem(result, options));
        return { op: canon.op, result, options };
      }
      case 'context.get':
      case 'context.set':
        if (canon.slot > 1) this.#evaluation.fail(`slot ${canon.slot} of the context, at most 1`);
        return canon;
      case 'waitable-set.wait':
      case 'waitable-set.poll':
        return { ...canon, memory: this.#evaluation.get(scope, 'core memory', canon.memory) };
      case 'error-context.new':
      case 'error-context.debug-message': {
        const options = this.#options(scope, canon.options);
        this.#require(errorContextProblem(canon.op, options));
        return { op: canon.op, options };
      }
      default: {
        if (!('type' in canon)) return canon;
        const item = this.#evaluation.get(scope, 'type', canon.type);
        const kind = canon.op.startsWith('stream') ? 'stream' : 'future';
        if (item.kind !== 'value' || typeof item.type === 'string' || item.type.kind !== kind)
          throw this.#evaluation.fail(`type ${canon.type} is no ${kind}`);
        const options = canon.options === null ? null : this.#options(scope, canon.options);
        if (options !== null) this.#require(copyProblem(canon.op, item.type.of as never, options)); // see below
        // Checked above: what the operation's kind asks for.
        return { op: canon.op, of: item.type.of as never, options, async: canon.async };
      }
    }
  }

  #options(scope: Scope, options: CanonOptions): Options {
    const optional = (sort: 'core func' | 'core memory', index: number | null): CoreItem | null =>
      index === null ? null : this.#evaluation.get(scope, sort, index);
    const realloc = optional('core func', options.realloc);
    if (realloc !== null) this.#evaluation.expect(realloc, reallocType, 'the option realloc');
    return {
      encoding: options.encoding,
      memory: optional('core memory', options.memory),
      realloc,
      postReturn: optional('core func', options.postReturn),
      callback: optional('core func', options.callback),
      async: options.async,
    };
  }
}
