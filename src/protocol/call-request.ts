/** What is kept of a call that the platform owes, and the ways in which callers ask for one (docs/http.md). */

/** How a function is to be called later, as control stores it. */
export interface CallRequest {
  readonly method: string;
  /** Path and query, as they stand in a request line. */
  readonly path: string;
  /** What is called; null: the handler by its name. */
  readonly label: string | null;
  /** Authority of the request; null: the host name of what is called. */
  readonly authority: string | null;
  /** Fields of the request, name and value, octets as characters of latin1. */
  readonly fields: readonly (readonly [string, string])[];
  /** Variables of the Invocation besides the request's. */
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

/** The first segment of paths that belong to the platform, on the host of every function. */
export const ownSegment = '.trisiel';

/** Where the state of an asynchronous call is read; its answer is at `/answer` below it. */
export const callsPath = `/${ownSegment}/calls/`;

/** Variable of a handler that says how often an asynchronous call is attempted at most. */
export const retryVariable = 'TRISIEL_RETRY';
