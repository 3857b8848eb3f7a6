/** The entry point of a component: which export `_start` calls, with what, and what becomes of its result. */
import { PlatformError } from '../../protocol/errors.ts';
import { printable } from '../wasm/inspect/findings.ts';
import {
  hostOutparam,
  hostRequest,
  hostRequest3,
  hostResponded,
  hostRespondFrom,
  hostRunStatus,
  respondName,
  runReturnName,
} from './glue-hosts.ts';
import type { FunctionItem, Graph, LiftedFunction } from './graph.ts';
import { httpErrorCode } from './http-error-code.ts';
import { compatibleName, isPrerelease, prereleaseHint } from './interface-name.ts';
import { invalidComponent } from './refusals.ts';
import type { HostTarget } from './unit.ts';
import { asyncFunc, type FunctionType, formatFunction, func, hostResource, own, result, sameFunction } from './wit.ts';

export type World = 'http' | 'command';

/** An export that can be the entry point. */
export interface EntryKind {
  readonly interfacePath: string;
  readonly functionName: string;
  readonly world: World;
  readonly type: FunctionType;
  /** Host functions that return the arguments. */
  readonly args: readonly HostTarget[];
  /** Host function that is the entry point's `task.return`; absent: the entry point is never asynchronous. */
  readonly taskReturn?: { readonly module: string; readonly name: string };
  /** Host function that is called when an asynchronous entry point has ended. */
  readonly finished?: HostTarget;
  /** Host function that takes the pointer to the result of a synchronous entry point. */
  readonly result?: HostTarget;
}

export interface EntryPoint {
  readonly kind: EntryKind;
  /** Name of the export. */
  readonly name: string;
  readonly func: LiftedFunction;
}

/** Returns the export that is the entry point; null: there is none. Throws `module_invalid` if it has another type. */
export function findEntry(graph: Graph, subject: string): EntryPoint | null {
  for (const kind of entries) {
    for (const [name, entry] of graph.exports) {
      if (compatibleName(name) !== kind.interfacePath || entry.sort !== 'instance') continue;
      const found = entry.value.exports.get(kind.functionName);
      if (found?.sort === 'func') return { kind, name, func: checkEntry(found.value, kind, { name, subject }) };
    }
  }
  return null;
}

/** Returns the error for a component without an entry point. */
export function entryMissing({ exports }: Graph, subject: string): PlatformError {
  const names = [...exports.keys()];
  const prerelease = names.find(isPrerelease);
  return new PlatformError('entry_missing', `${subject} has no entry point`, {
    details: [
      names.length === 0
        ? 'it exports nothing'
        : `it exports ${names
            .slice(0, 10)
            .map((name) => printable(name))
            .join(', ')}`,
      `looked for: ${entries.map((one) => one.interfacePath).join(', ')}`,
    ],
    hints: [
      prerelease === undefined
        ? 'export wasi:http/incoming-handler to serve requests, or wasi:cli/run for a program that reads stdin and writes stdout'
        : prereleaseHint,
    ],
  });
}

function checkEntry(
  item: FunctionItem,
  { type }: EntryKind,
  { name, subject }: { readonly name: string; readonly subject: string },
): LiftedFunction {
  if (item.kind === 'host') throw invalidComponent(subject, `${printable(name)} is exported as it is imported`);
  if (!sameFunction(item.type, type))
    throw invalidComponent(
      subject,
      `${printable(name)} exports ${formatFunction(item.type).slice(0, 300)}, not ${formatFunction(type).slice(0, 300)}`,
    );
  return item;
}

const incomingRequest = hostResource('wasi:http/types@0.2', 'incoming-request');
const responseOutparam = hostResource('wasi:http/types@0.2', 'response-outparam');

const request = hostResource('wasi:http/types@0.3', 'request');
const response = hostResource('wasi:http/types@0.3', 'response');

const status = result(null, null);

/** Exports that can be the entry point, in order of precedence. */
const entries: readonly EntryKind[] = [
  {
    interfacePath: 'wasi:http/handler@0.3',
    functionName: 'handle',
    world: 'http',
    type: asyncFunc({ request: own(request) }, result(own(response), httpErrorCode)),
    args: [hostRequest3],
    taskReturn: respondName,
    finished: hostResponded,
    result: hostRespondFrom,
  },
  {
    interfacePath: 'wasi:http/incoming-handler@0.2',
    functionName: 'handle',
    world: 'http',
    type: func({ request: own(incomingRequest), 'response-out': own(responseOutparam) }),
    args: [hostRequest, hostOutparam],
  },
  {
    interfacePath: 'wasi:cli/run@0.3',
    functionName: 'run',
    world: 'command',
    type: asyncFunc({}, status),
    args: [],
    taskReturn: runReturnName,
    finished: hostRunStatus,
  },
  { interfacePath: 'wasi:cli/run@0.2', functionName: 'run', world: 'command', type: func({}, status), args: [] },
];
