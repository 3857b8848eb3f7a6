/**
 * The one error type of the platform. The outside sees `code`, `message` and `hints`;
 * the log also gets `cause`.
 *
 * A code is stable: clients and tests compare it. Its HTTP status stands beside it so
 * that no door decides a status of its own.
 */
export const errorStatus = {
  // What a function's caller sees (docs/http.md).
  handler_not_found: 404,
  not_deployed: 404,
  body_too_large: 413,
  trapped: 500,
  exited: 500,
  policy_violation: 500,
  out_of_gas: 500,
  no_answer: 500,
  bad_cgi_output: 502,
  deadline_exceeded: 504,
  overloaded: 503,
  suspended: 503,
  // What a client of the API or of git sees.
  bad_request: 400,
  unauthorized: 401,
  code_required: 401,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  request_timeout: 408,
  // Of a request that cannot be served as HTTP.
  expectation_failed: 417,
  header_too_large: 431,
  not_implemented: 501,
  name_taken: 409,
  conflict: 409,
  precondition_failed: 412,
  idempotency_key_reused: 422,
  idempotency_key_in_use: 409,
  name_invalid: 422,
  limit_exceeded: 422,
  storage_full: 507,
  registration_closed: 403,
  invite_required: 403,
  rate_limited: 429,
  // Why a push is refused.
  module_missing: 422,
  module_ambiguous: 422,
  module_invalid: 422,
  module_unsupported: 422,
  module_too_large: 413,
  imports_unknown: 422,
  entry_missing: 422,
  snapshot_failed: 422,
  manifest_invalid: 422,
  tree_invalid: 422,
  vet_failed: 422,
  // Why a backup is not restored.
  archive_invalid: 422,
  archive_newer: 422,
  // Ours.
  unavailable: 503,
  internal: 500,
} as const;

export type ErrorCode = keyof typeof errorStatus;

export interface PlatformErrorOptions {
  /** What the reader can do about it: whole lines, without a "hint:" in front. */
  readonly hints?: readonly string[];
  /** More facts, line by line (a list of files or imports). Shown indented. */
  readonly details?: readonly string[];
  /** For 429 and 503: seconds after which another try makes sense. */
  readonly retryAfterSeconds?: number;
  readonly cause?: unknown;
}

export class PlatformError extends Error {
  override readonly name = 'PlatformError';
  readonly code: ErrorCode;
  readonly status: number;
  readonly hints: readonly string[];
  readonly details: readonly string[];
  readonly retryAfterSeconds: number | undefined;

  constructor(code: ErrorCode, message: string, options: PlatformErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.status = errorStatus[code];
    this.hints = options.hints ?? [];
    this.details = options.details ?? [];
    this.retryAfterSeconds = options.retryAfterSeconds;
  }
}

/** The body of an error answer: RFC 9457, `application/problem+json`. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: ErrorCode;
  readonly detail: string;
  readonly hints?: readonly string[];
  readonly details?: readonly string[];
  /** The request's or invocation's id, the key into the log. */
  readonly id?: string;
}

/** Returns what an outsider may know of `error`. Anything that is not a PlatformError is `internal`. */
export function toProblem(error: unknown, id?: string): Problem {
  const known =
    error instanceof PlatformError
      ? error
      : new PlatformError('internal', 'Something failed on our side; the log has the cause.');
  return {
    type: 'about:blank',
    title: known.code.replaceAll('_', ' '),
    status: known.status,
    code: known.code,
    detail: known.message,
    ...(known.hints.length > 0 ? { hints: known.hints } : {}),
    ...(known.details.length > 0 ? { details: known.details } : {}),
    ...(id === undefined ? {} : { id }),
  };
}
