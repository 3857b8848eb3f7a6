/**
 * Types and names of calls that control stores and makes later: what is stored, and how callers ask for one
 * (docs/http.md).
 */

/** Request with which control calls a function later, as control stores it. */
export interface CallRequest {
  readonly method: string;
  /** Path and query of the request line, percent-encoded as received. */
  readonly path: string;
  /** Label of the function to call (handler name, or SLUG--NAME of a preview); null: the handler's own name. */
  readonly label: string | null;
  /** Authority (host and port) of the request; null: the host name of the called label. */
  readonly authority: string | null;
  /** Request fields as pairs of name and value. Each character stands for one octet (latin1). */
  readonly fields: readonly (readonly [string, string])[];
  /** Variables added to the Invocation's environment, besides those of the request. */
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

/** First path segment that the platform keeps for itself on the host of every function. */
export const ownSegment = '.trisiel';

/** Path prefix of asynchronous calls: `PREFIX ID` tells the state of a call, `PREFIX ID/answer` returns its answer. */
export const callsPath = `/${ownSegment}/calls/`;

/** Name of a handler's variable that holds the greatest number of attempts of an asynchronous call. */
export const retryVariable = 'TRISIEL_RETRY';
