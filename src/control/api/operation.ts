/**
 * Describes an operation of the API as a row of data: its id, its inputs and answer, and a function from one to the
 * other. The routes and the OpenAPI document are made from the same rows.
 */
import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { z } from 'zod';
import { type ErrorCode, PlatformError } from '../../protocol/errors.ts';
import type { Actor, OperationId, OperationOn } from '../../protocol/permissions.ts';
import { checkAllowed, type GrantedHandler, type HandlerAccess } from '../handlers/access.ts';

/** Caller of the API, who always has a Token. */
export interface Caller extends Actor {
  readonly tokenId: string;
}

/** Parts of a request before they are checked. */
export interface RawCall {
  readonly caller: Caller | null;
  /** Finds the handler of an operation on one, if the caller may do the operation. */
  readonly access: Pick<HandlerAccess, 'handlerFor'>;
  readonly address: string;
  readonly params: Readonly<Record<string, string>>;
  readonly query: unknown;
  readonly body: unknown;
  /** The request, for operations that read the body themselves. */
  readonly request: IncomingMessage;
  /** Looks the caller up again. Throws `unauthorized` when the Token has been revoked since. */
  readonly callerNow: () => Promise<Caller | null>;
  /** Is told the handler that the operation is done to, once the caller may do it. */
  readonly onHandler: (handler: GrantedHandler) => void;
}

/** An answer that is sent while it is made; it may be compressed on the way. */
export class StreamedAnswer {
  readonly type: string;
  readonly stream: Readable;

  /** `type`: media type of the answer. An error of the stream truncates the answer. */
  constructor(type: string, stream: Readable) {
    this.type = type;
    this.stream = stream;
  }
}

/** Operations of the permission table that are not requests to the API. */
type GitOperation = 'gitCreate' | 'gitFetch' | 'gitPush';

export interface Operation {
  readonly id: OperationId;
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Path below /api/v1, with `{name}` for parameters. */
  readonly path: string;
  readonly tag: string;
  readonly summary: string;
  readonly access: 'anyone' | 'user';
  readonly query: z.ZodType | null;
  readonly body: z.ZodType | null;
  /** Media types of a body that `run` reads from the request; null: the body is JSON, or there is none. */
  readonly bodyTypes: readonly string[] | null;
  /** Media types of a StreamedAnswer; null: the answer is JSON, or there is none. */
  readonly answerTypes: readonly string[] | null;
  /**
   * Status of a success. 101: the connection becomes a WebSocket, which log-stream.ts answers; `run` answers requests
   * that are no upgrade.
   */
  readonly status: 101 | 200 | 201 | 204;
  readonly answer: z.ZodType | null;
  readonly errors: readonly ErrorCode[];
  run(call: RawCall): Promise<unknown>;
  /**
   * Checks that the caller may still do the operation while its answer is sent, on the handler `id` (null: on none),
   * which may have another name by now. Throws `unauthorized`, `forbidden`, `not_found`.
   */
  check(call: RawCall, id: string | null): Promise<void>;
}

type ParamNames<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}`
  ? Name | ParamNames<Rest>
  : never;

export interface OperationCall<Path extends string, Query extends z.ZodType, Body extends z.ZodType> {
  readonly address: string;
  readonly params: Readonly<Record<ParamNames<Path>, string>>;
  readonly query: z.infer<Query>;
  readonly body: z.infer<Body>;
  readonly request: IncomingMessage;
}

interface Definition<Id extends OperationId, Path extends string, Query extends z.ZodType, Body extends z.ZodType, C> {
  readonly id: Id;
  readonly method: Operation['method'];
  readonly path: Path;
  readonly tag: string;
  readonly summary: string;
  readonly query?: Query;
  readonly body?: Body;
  readonly bodyTypes?: readonly string[];
  readonly answerTypes?: readonly string[];
  readonly status?: Operation['status'];
  /** Schema of the answer; absent: the status is 204. */
  readonly answer?: z.ZodType;
  /**
   * Error codes besides `bad_request`, `unauthorized`, `forbidden` and `internal`, which every operation can return.
   */
  readonly errors?: readonly ErrorCode[];
  run(call: C): Promise<unknown>;
}

/**
 * Makes an operation on the caller's account or on the platform, allowed according to the table in
 * protocol/permissions.ts.
 */
export function forUsers<const Path extends string, Query extends z.ZodType, Body extends z.ZodType>(
  definition: Definition<
    Exclude<OperationOn<'account' | 'platform'>, GitOperation>,
    Path,
    Query,
    Body,
    OperationCall<Path, Query, Body> &
      Caller & {
        /**
         * Checks that the caller may still do the operation: for one that reads a long body. Throws `unauthorized` and
         * `forbidden`.
         */
        readonly stillAllowed: () => Promise<void>;
      }
  >,
): Operation {
  const run = (call: OperationCall<Path, Query, Body>, raw: RawCall): Promise<unknown> => {
    const allowed = (caller: Caller | null): Caller => {
      if (caller === null) throw new Error(`${definition.id} was reached without a user`);
      checkAllowed(caller, definition.id);
      return caller;
    };
    const stillAllowed = async (): Promise<void> => {
      allowed(await raw.callerNow());
    };
    return definition.run({ ...call, ...allowed(raw.caller), stillAllowed });
  };
  const check = async ({ caller }: RawCall): Promise<void> => {
    if (caller !== null) checkAllowed(caller, definition.id);
  };
  return erase(definition, { access: 'user', run, check });
}

/**
 * Makes an operation on one handler. `run` gets the handler that the path (`{name}`) or the query (`handler`) names, if
 * the caller may do the operation according to the table in protocol/permissions.ts.
 */
export function forHandler<const Path extends string, Query extends z.ZodType, Body extends z.ZodType>(
  definition: Definition<
    Exclude<OperationOn<'handler'>, GitOperation>,
    Path,
    Query,
    Body,
    OperationCall<Path, Query, Body> & Caller & { readonly handler: GrantedHandler }
  > & {
    /** Whether the operation accepts deleted handlers too. */
    readonly deleted?: boolean;
  },
): Operation {
  const errors = [...new Set<ErrorCode>(['not_found', ...(definition.errors ?? [])])];
  const deleted = definition.deleted === true;
  const run = async (call: OperationCall<Path, Query, Body>, raw: RawCall): Promise<unknown> => {
    if (raw.caller === null) throw new Error(`${definition.id} was reached without a user`);
    const handler = await raw.access.handlerFor(raw.caller, definition.id, handlerNameIn(call), { deleted });
    raw.onHandler(handler);
    return definition.run({ ...call, ...raw.caller, handler });
  };
  const check = async (raw: RawCall, id: string | null): Promise<void> => {
    if (raw.caller === null) throw new Error(`${definition.id} was reached without a user`);
    const name = handlerNameIn(raw);
    const handler = await raw.access.handlerFor(raw.caller, definition.id, name, { deleted, former: true });
    if (handler.id !== id) throw new PlatformError('not_found', `${name} is another handler now`);
  };
  return erase({ ...definition, errors }, { access: 'user', run, check });
}

/** Makes an operation that needs no Token. */
export function forAnyone<const Path extends string, Query extends z.ZodType, Body extends z.ZodType>(
  definition: Definition<OperationOn<'nothing'>, Path, Query, Body, OperationCall<Path, Query, Body>>,
): Operation {
  return erase(definition, { access: 'anyone', run: (call) => definition.run(call), check: async () => {} });
}

function handlerNameIn({ params, query }: { readonly params: object; readonly query: unknown }): string {
  // The field is looked at below.
  const name = 'name' in params ? params.name : (query as { readonly handler?: unknown }).handler;
  if (typeof name !== 'string') throw new Error('an operation on a handler names it in its path or query');
  return name;
}

function erase<Path extends string, Query extends z.ZodType, Body extends z.ZodType>(
  definition: Omit<Definition<OperationId, Path, Query, Body, never>, 'run'>,
  {
    access,
    run,
    check,
  }: Pick<Operation, 'access' | 'check'> & {
    readonly run: (call: OperationCall<Path, Query, Body>, raw: RawCall) => Promise<unknown>;
  },
): Operation {
  const { query = null, body = null, answer = null } = definition;
  return {
    id: definition.id,
    method: definition.method,
    path: definition.path,
    tag: definition.tag,
    summary: definition.summary,
    access,
    check,
    query,
    body,
    bodyTypes: definition.bodyTypes ?? null,
    answerTypes: definition.answerTypes ?? null,
    answer,
    status: definition.status ?? (answer === null && definition.answerTypes === undefined ? 204 : 200),
    errors: definition.errors ?? [],
    run: (raw) => {
      const params = paramsOf(definition.path, raw.params);
      return run({ address: raw.address, params, request: raw.request, ...parse(definition, raw) }, raw);
    },
  };
}

function paramsOf<Path extends string>(
  path: Path,
  params: Readonly<Record<string, string>>,
): Record<ParamNames<Path>, string> {
  const named: Record<string, string> = {};
  for (const [, name] of path.matchAll(/\{(\w+)\}/g)) named[name!] = params[name!] ?? ''; // group of the match
  return named as Record<ParamNames<Path>, string>; // The loop above has made exactly these keys.
}

/**
 * Schema of an operation without query or body. Unknown fields are refused: an ignored field would seem to have worked.
 */
const nothing = z.strictObject({});

/** Returns query and body, typed. Throws `bad_request` that names up to 10 bad places, unknown fields first. */
function parse<Query extends z.ZodType, Body extends z.ZodType>(
  types: { readonly query?: Query; readonly body?: Body },
  raw: RawCall,
): { readonly query: z.infer<Query>; readonly body: z.infer<Body> } {
  const query = (types.query ?? nothing).safeParse(raw.query);
  const body = (types.body ?? nothing).safeParse(raw.body);
  // Without a schema `run` gets no such field.
  if (query.success && body.success) return { query: query.data as z.infer<Query>, body: body.data as z.infer<Body> };
  // Issues name places and rules, never values, since a value may be a password.
  const details = [...placed('query', query.error), ...placed('body', body.error)]
    .sort((a, b) => Number(isUnknown(b.issue)) - Number(isUnknown(a.issue)))
    .slice(0, 10)
    .map(({ where, issue }) => {
      const place = [where, ...issue.path].join('.');
      if (issue.code !== 'unrecognized_keys') return `${place}: ${issue.message}`;
      const names = issue.keys.slice(0, 10).map((key) => JSON.stringify(key.slice(0, 80)));
      return `${place}: ${where === 'query' ? 'no such key' : 'no such field'}: ${names.join(', ')}`;
    });
  throw new PlatformError('bad_request', `the request does not fit: ${details[0]}`, { details });
}

function placed(where: 'query' | 'body', error: z.ZodError | undefined) {
  return (error?.issues ?? []).map((issue) => ({ where, issue }));
}

function isUnknown(issue: z.core.$ZodIssue): boolean {
  return issue.code === 'unrecognized_keys';
}
