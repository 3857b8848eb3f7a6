/** Types of the API client; those of the operations are written from the OpenAPI document (api.d.ts). */
import type { LogLine, Operations } from './api.js';

export type * from './api.js';

export interface ClientOptions {
  /** Base URL of the server: `https://trisiel.example.com`. */
  readonly server: string;
  /** A Token; absent: only operations that are open to everybody. */
  readonly token?: string | null;
  /** What sends requests; absent: the global `fetch`. */
  readonly fetch?: typeof globalThis.fetch;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** For a POST: a second request with this key within 24 hours is given the answer to the first. */
  readonly idempotencyKey?: string;
  /** For PATCH, PUT and DELETE: refused with `precondition_failed` where the ETag is another now. */
  readonly ifMatch?: string;
  /** Media type of a body of bytes; absent: application/octet-stream. */
  readonly type?: string;
}

export type OperationId = keyof Operations;

/** Ids of the lists that are read in pages. */
export type PagedId = {
  [Id in OperationId]: Operations[Id]['answer'] extends { readonly next: string | number | null } ? Id : never;
}[OperationId];

/** What an operation is called with; it may be left out where nothing in it is needed. */
type Input<Id extends OperationId> =
  Record<never, never> extends Operations[Id]['input']
    ? [input?: Operations[Id]['input'], options?: CallOptions]
    : [input: Operations[Id]['input'], options?: CallOptions];

export interface TailOptions {
  /** Lines above this cursor; 0, the usual one: all that are kept. */
  readonly after?: number;
  readonly grep?: string;
  readonly level?: number;
  readonly stream?: string;
  readonly preview?: string;
  /** Ends the tail. */
  readonly signal?: AbortSignal;
}

export interface TailFrame {
  readonly lines: readonly LogLine[];
  /** Lines that this reader does not get since the last frame. */
  readonly dropped: number;
  /** Cursor of the last line so far: `after` of a later tail. */
  readonly cursor: number;
}

export type Client = {
  /** Throws TrisielError. */
  readonly [Id in OperationId]: (...input: Input<Id>) => Promise<Operations[Id]['answer']>;
} & {
  readonly server: string;
  readonly token: string | null;
  /** Yields the answers of a list, page by page, to its end. */
  pages<Id extends PagedId>(id: Id, ...input: Input<Id>): AsyncGenerator<Operations[Id]['answer'], void>;
  /** Yields a handler's log, live. A lost connection is made again: no line is missed, none comes twice. */
  tail(name: string, options?: TailOptions): AsyncGenerator<TailFrame, void>;
};

export function createClient(options: ClientOptions): Client;

/** Logs in with a name and a password, and returns a client with the new Token. */
export function logIn(
  options: Omit<ClientOptions, 'token'> & {
    readonly name: string;
    readonly password: string;
    /** Of the second factor, where the account has one. */
    readonly code?: string;
    /** What the Token is called in lists. */
    readonly label?: string;
  },
): Promise<Client>;

export class TrisielError extends Error {
  constructor(message: string, facts?: Partial<TrisielError>);
  /** The code of the problem; `unreachable`: there was no answer; `not_ours`: something else than Trisiel answered. */
  readonly code: string;
  readonly status: number | undefined;
  readonly hints: readonly string[];
  readonly details: readonly string[];
  /** Finds the request in the log of the platform. */
  readonly id: string | undefined;
  readonly retryAfterSeconds: number | undefined;
}
