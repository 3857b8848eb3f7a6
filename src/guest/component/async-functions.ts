/** The canonical functions of asynchronous calls, as functions that the host provides. */
import type { FuncType } from '../../protocol/module.ts';
import { elementWord } from './element-name.ts';
import { hasLists } from './flatten.ts';
import { asyncModule } from './glue-hosts.ts';
import type { CanonFunction, Part } from './graph.ts';
import type { HostCall, HostGlue } from './host-glue.ts';
import type { StreamOperation } from './model.ts';
import type { EndType } from './type-contents.ts';
import type { HostTarget } from './unit.ts';

type AsyncOperation = Exclude<
  CanonFunction['op'],
  'lower' | 'resource.new' | 'resource.drop' | 'resource.rep' | 'context.get' | 'context.set' | 'task.return'
>;

export type AsyncCanon = Extract<CanonFunction, { readonly op: AsyncOperation }>;

/**
 * Returns the host function of `canon`, and whether it delivers results that may have lists. `elements` are the names
 * of the types that streams and futures of the host have.
 */
export function asyncHostFunction(
  canon: AsyncCanon,
  elements: ReadonlySet<string>,
): { readonly host: HostTarget; readonly isDelivering: boolean } {
  const type = asyncFunctionType(canon);
  let name: string = canon.op;
  let isDelivering = delivering.has(canon.op);
  if ('of' in canon) {
    const isAsync = canon.options?.async === true || canon.async ? ' async' : '';
    name = `${canon.op}${isAsync} ${elementWord(canon.of, elements)}`;
    isDelivering = canon.op.endsWith('read') && canon.of !== null && hasLists(canon.of);
  }
  return { host: { kind: 'host', module: asyncModule, name, type }, isDelivering };
}

/** Returns the type of the core function of `canon`. */
export function asyncFunctionType(canon: AsyncCanon): FuncType {
  return asyncTypes[canon.op] ?? copyType(canon.op as StreamOperation); // asyncTypes has the others
}

/** Returns whether `canon` waits, which a function must not do whose type is not asynchronous. */
export function isWaiting(canon: AsyncCanon): boolean {
  if (canon.op === 'waitable-set.wait') return true;
  if (canon.op === 'subtask.cancel') return !canon.async;
  if (!('of' in canon)) return false;
  if (canon.op.includes('cancel')) return !canon.async;
  return canon.options !== null && !canon.options.async;
}

/**
 * Adds the function that runs tasks of other parts while the part waits. Returns the name of its export; null for a
 * function that does not wait.
 */
export function waitingFunction(
  glue: HostGlue,
  canon: AsyncCanon,
  call: HostCall & { readonly part: Part },
): string | null {
  const { host, type, part } = call;
  if (canon.op === 'waitable-set.wait' || canon.op === 'thread.yield') {
    const wait = canon.op === 'thread.yield' ? 'turn' : 'set';
    return glue.waiting(wait === 'turn' ? null : glue.call(call), type, part);
  }
  if (canon.op === 'subtask.cancel') {
    const cancel = { kind: 'host', module: asyncModule, name: 'subtask-cancel', type: core(1, 0) } as const;
    return glue.waitingFor({ ...call, host: cancel, type: cancel.type }, canon.async, false);
  }
  const isCopy = canon.op.endsWith('.read') || canon.op.endsWith('.write');
  if (!isCopy || !('of' in canon) || canon.options?.async !== false || host.kind !== 'host') return null;
  const [operation, element] = host.name.split(' ');
  const started = { ...host, name: `${operation} begin ${element}` };
  return glue.waitingFor({ ...call, host: started }, false, true);
}

/** Returns the host function that passes an end of a stream or future on to another part. */
export function passEndFunction(type: EndType, elements: ReadonlySet<string>): HostTarget {
  const name = `${type.kind}.pass ${elementWord(type.of, elements)}`;
  return { kind: 'host', module: asyncModule, name, type: core(3, 1) };
}

const core = (params: number, results: number): FuncType => ({
  params: new Array<'i32'>(params).fill('i32'),
  results: new Array<'i32'>(results).fill('i32'),
});

/** Types of the core functions of asynchronous calls, without those of streams and futures. */
const asyncTypes: Readonly<Partial<Record<AsyncOperation, FuncType>>> = {
  'task.cancel': core(0, 0),
  'subtask.cancel': core(1, 1),
  'subtask.drop': core(1, 0),
  'backpressure.set': core(1, 0),
  'backpressure.inc': core(0, 0),
  'backpressure.dec': core(0, 0),
  'thread.yield': core(0, 1),
  'waitable-set.new': core(0, 1),
  'waitable-set.wait': core(2, 1),
  'waitable-set.poll': core(2, 1),
  'waitable-set.drop': core(1, 0),
  'waitable.join': core(2, 0),
  'error-context.new': core(2, 1),
  'error-context.debug-message': core(2, 0),
  'error-context.drop': core(1, 0),
};

/** Functions that deliver results of calls and copies, whose lists need memory. */
const delivering: ReadonlySet<string> = new Set([
  'waitable-set.wait',
  'waitable-set.poll',
  'subtask.cancel',
  'error-context.debug-message',
]);

function copyType(operation: StreamOperation): FuncType {
  const [kind, name = ''] = operation.split('.');
  if (name === 'new') return { params: [], results: ['i64'] };
  if (name === 'read' || name === 'write') return core(kind === 'stream' ? 3 : 2, 1);
  return core(1, name.startsWith('cancel') ? 1 : 0);
}
