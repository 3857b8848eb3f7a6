/** Functions of the host that only code of the linker calls. */
import type { FuncType } from '../../protocol/module.ts';
import type { HostTarget, ImportTarget } from './unit.ts';

/** Import module of the functions that only glue calls; src/guest/kernel/abi/wasi2/component/glue.ts provides them. */
export const glueModule = 'trisiel:component/glue';

/** A function that code of the linker calls, and its type. */
export interface GlueCall {
  readonly target: ImportTarget;
  readonly type: FuncType;
}

function glueFunction(name: string, type: FuncType): HostTarget {
  return { kind: 'host', module: glueModule, name, type };
}

export const hostNext = glueFunction('next-allocation', { params: [], results: ['i32'] });
export const destructorType: FuncType = { params: ['i32'], results: [] };

/** Import module of the component's own resources; src/guest/kernel/abi/wasi2/component/resources.ts provides it. */
const resourcesModule = 'trisiel:component/resources';
const resourceFunction = (name: 'make' | 'rep' | 'drop') =>
  ({ kind: 'host', module: resourcesModule, name, type: { params: ['i32', 'i32'], results: ['i32'] } }) as const;
export const hostResources = {
  new: resourceFunction('make'),
  rep: resourceFunction('rep'),
  drop: resourceFunction('drop'),
} as const;
const i32s = (count: number): FuncType['params'] => new Array<'i32'>(count).fill('i32');
const ofResources = (name: string, params: number, results: 0 | 1) =>
  ({ kind: 'host', module: resourcesModule, name, type: { params: i32s(params), results: i32s(results) } }) as const;
export const hostOwns = ofResources('owns', 2, 1);
export const hostLendRep = ofResources('lend-rep', 4, 1);
export const hostPass = ofResources('pass', 4, 1);
export const hostLend = ofResources('lend', 4, 1);
export const hostCalled = ofResources('called', 1, 0);
export const hostReturned = ofResources('returned', 1, 0);

/** Import module of asynchronous calls; src/guest/kernel/abi/wasi3/component/async.ts provides its functions. */
export const asyncModule = 'trisiel:component/async';
const asyncFunction = (name: string, params: FuncType['params']) =>
  ({ kind: 'host', module: asyncModule, name, type: { params, results: ['i32'] } }) as const;
export const hostUnstoredPart = asyncFunction('unstored-part', []);
export const hostStoreUnstored = {
  kind: 'host',
  module: asyncModule,
  name: 'store-unstored',
  type: { params: [], results: [] },
} as const;
export const hostTake = asyncFunction('waitable-take', ['i32']);
/** Host function that stores the result of the function for which a task has waited. */
export const hostStoreResult = {
  kind: 'host',
  module: asyncModule,
  name: 'store-result',
  type: { params: [], results: [] },
} as const;
/** Host function that ends the guest: a function that must not wait does. */
export const hostMustNotWait = {
  kind: 'host',
  module: asyncModule,
  name: 'must-not-wait',
  type: { params: [], results: [] },
} as const;
/** Host function that says that the next call must not wait: it ends the guest where it would. */
export const hostUnwaiting = {
  kind: 'host',
  module: asyncModule,
  name: 'unwaiting',
  type: { params: [], results: [] },
} as const;
export const passType: FuncType = { params: ['i32', 'i32', 'i32'], results: ['i32'] };
/** Host function that passes an error context on to another part. */
export const hostPassContext = {
  kind: 'host',
  module: asyncModule,
  name: 'error-context.pass',
  type: passType,
} as const;
export const hostNextEvent = asyncFunction('next-event', ['i32']);
/** The event of the entry point of a component with tasks, for which it has waited. */
export const hostEntryEvent = asyncFunction('entry-event', ['i32']);
export const hostEventHandle = asyncFunction('event-handle', []);
export const hostEventPayload = asyncFunction('event-payload', []);

export const hostPut = glueFunction('put', { params: ['i32'], results: [] });
export const hostSelect = glueFunction('select', { params: ['i32', 'i32', 'i32'], results: [] });
export const hostText = glueFunction('text', { params: ['i32', 'i32'], results: [] });
export const hostEncode = glueFunction('encode', { params: ['i32'], results: [] });
export const hostTranscode = glueFunction('transcode', { params: ['i32', 'i32', 'i32', 'i32'], results: ['i32'] });
export const hostTranscoded = glueFunction('transcoded', { params: ['i32'], results: ['i32'] });

/**
 * Import module of the arguments of an HTTP component's entry point; src/guest/kernel/abi/wasi2/http provides its
 * functions.
 */
const handlerModule = 'trisiel:http/incoming-handler';
const handle: FuncType = { params: [], results: ['i32'] };
/** Host function that returns a new handle of the request that the Process answers. */
export const hostRequest = { kind: 'host', module: handlerModule, name: 'request', type: handle } as const;
/** Host function that returns a new handle of the response-outparam, which takes the answer. */
export const hostOutparam = { kind: 'host', module: handlerModule, name: 'outparam', type: handle } as const;

/** Import module of the entry point of WASI 0.3 for HTTP; src/guest/kernel/abi/wasi3/http/handler.ts provides it. */
const handlerModule3 = 'trisiel:http/handler';
/** Host function that returns a new handle of the request. */
export const hostRequest3 = { kind: 'host', module: handlerModule3, name: 'request', type: handle } as const;
/** Host function that takes the answer, which lies in memory. */
export const hostRespondFrom = {
  kind: 'host',
  module: handlerModule3,
  name: 'respond-from',
  type: { params: ['i32'], results: [] },
} as const;
/** Host function that checks that there is an answer. */
export const hostResponded = {
  kind: 'host',
  module: handlerModule3,
  name: 'responded',
  type: { params: [], results: [] },
} as const;
/** Name of the host function that is the `task.return` of the entry point. */
export const respondName = { module: handlerModule3, name: 'respond' } as const;

/** Import module of the entry point of WASI 0.3 for programs; src/guest/kernel/abi/wasi3/cli/run.ts provides it. */
const runModule3 = 'trisiel:cli/run';
export const runReturnName = { module: runModule3, name: 'return' } as const;
/** Host function that returns the exit status of the program, which must have returned. */
export const hostRunStatus = { kind: 'host', module: runModule3, name: 'status', type: handle } as const;
