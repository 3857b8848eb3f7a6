/**
 * One operation of the API as a row of data: what it is called, what it takes and answers, and a
 * function from one to the other. The routes and the OpenAPI document are made from the same rows.
 */
import { z } from 'zod';
import { type ErrorCode, PlatformError } from '../../protocol/errors.ts';
import type { User } from '../../protocol/nouns.ts';

export interface Caller {
  readonly user: User;
  readonly tokenId: string;
}

/** What a request brings, before it is checked. */
export interface RawCall {
  readonly caller: Caller | null;
  readonly address: string;
  readonly params: Readonly<Record<string, string>>;
  readonly query: unknown;
  readonly body: unknown;
}

export interface Operation {
  readonly id: string;
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Below /api/v1, with `{name}` for parameters. */
  readonly path: string;
  readonly tag: string;
  readonly summary: string;
  readonly access: 'anyone' | 'user';
  readonly query: z.ZodType | null;
  readonly body: z.ZodType | null;
  readonly status: 200 | 201 | 204;
  readonly answer: z.ZodType | null;
  readonly errors: readonly ErrorCode[];
  run(call: RawCall): Promise<unknown>;
}

type ParamNames<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}`
  ? Name | ParamNames<Rest>
  : never;

export interface Call<Path extends string, Query extends z.ZodType, Body extends z.ZodType> {
  readonly address: string;
  readonly params: Readonly<Record<ParamNames<Path>, string>>;
  readonly query: z.infer<Query>;
  readonly body: z.infer<Body>;
}

interface Definition<Path extends string, Query extends z.ZodType, Body extends z.ZodType, C> {
  readonly id: string;
  readonly method: Operation['method'];
  readonly path: Path;
  readonly tag: string;
  readonly summary: string;
  readonly query?: Query;
  readonly body?: Body;
  readonly status?: Operation['status'];
  /** Without it: 204. */
  readonly answer?: z.ZodType;
  /** Besides `bad_request`, `unauthorized` and `internal`, which every operation can give. */
  readonly errors?: readonly ErrorCode[];
  run(call: C): Promise<unknown>;
}

/** An operation for whoever is logged in. */
export function forUsers<const Path extends string, Query extends z.ZodType, Body extends z.ZodType>(
  definition: Definition<Path, Query, Body, Call<Path, Query, Body> & Caller>,
): Operation {
  return erase(definition, 'user', (call, raw) => {
    if (raw.caller === null) throw new Error(`${definition.id} was reached without a user`);
    return definition.run({ ...call, ...raw.caller });
  });
}

/** An operation that needs no Token. */
export function forAnyone<const Path extends string, Query extends z.ZodType, Body extends z.ZodType>(
  definition: Definition<Path, Query, Body, Call<Path, Query, Body>>,
): Operation {
  return erase(definition, 'anyone', (call) => definition.run(call));
}

function erase<Path extends string, Query extends z.ZodType, Body extends z.ZodType>(
  definition: Omit<Definition<Path, Query, Body, never>, 'run'>,
  access: Operation['access'],
  run: (call: Call<Path, Query, Body>, raw: RawCall) => Promise<unknown>,
): Operation {
  const { query = null, body = null, answer = null } = definition;
  return {
    id: definition.id,
    method: definition.method,
    path: definition.path,
    tag: definition.tag,
    summary: definition.summary,
    access,
    query,
    body,
    answer,
    status: definition.status ?? (answer === null ? 204 : 200),
    errors: definition.errors ?? [],
    run: (raw) =>
      run(
        {
          address: raw.address,
          params: paramsOf(definition.path, raw.params),
          query: parse(definition.query, raw.query, 'query'),
          body: parse(definition.body, raw.body, 'body'),
        },
        raw,
      ),
  };
}

function paramsOf<Path extends string>(
  path: Path,
  params: Readonly<Record<string, string>>,
): Record<ParamNames<Path>, string> {
  const named: Record<string, string> = {};
  for (const [, name] of path.matchAll(/\{(\w+)\}/g)) named[name!] = params[name!] ?? '';
  return named as Record<ParamNames<Path>, string>; // the loop above is what the type says
}

/** What an operation without a query or body takes: nothing. A field that were ignored would seem to have worked. */
const nothing = z.strictObject({});

/** Returns `value` as `type` says. Throws `bad_request` naming up to 10 places that do not fit, unknown fields first. */
function parse<T extends z.ZodType>(type: T | undefined, value: unknown, where: 'query' | 'body'): z.infer<T> {
  const checked = (type ?? nothing).safeParse(value);
  if (checked.success) return checked.data as z.infer<T>; // without a type `run` is given no such field
  // Issues name places and rules, never values: one of them may be a password.
  const issues = checked.error.issues.toSorted((a, b) => Number(isUnknown(b)) - Number(isUnknown(a)));
  const details = issues.slice(0, 10).map((issue) => {
    const place = [where, ...issue.path].join('.');
    if (issue.code !== 'unrecognized_keys') return `${place}: ${issue.message}`;
    const names = issue.keys.slice(0, 10).map((key) => JSON.stringify(key.slice(0, 80)));
    return `${place}: ${where === 'query' ? 'no such key' : 'no such field'}: ${names.join(', ')}`;
  });
  throw new PlatformError('bad_request', `the request does not fit: ${details[0]}`, { details });
}

function isUnknown(issue: z.core.$ZodIssue): boolean {
  return issue.code === 'unrecognized_keys';
}
