/**
 * HTTP status of each error code of the platform.
 * Codes are stable: clients and tests compare them. Each status stands here, so that no door (API, git, runner) decides
 * a status of its own. Outsiders see an error's `code`, `message` and `hints`; the log also gets its `cause`.
 */
export const errorStatus = {
  // Codes that callers of functions see (docs/http.md).
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
  cancelled: 503,
  misdirected: 421,
  // Codes that clients of the API and of git see.
  bad_request: 400,
  unauthorized: 401,
  code_required: 401,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  request_timeout: 408,
  // Codes for requests that cannot be served as HTTP.
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
  // Codes that say why a push is refused.
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
  // Codes that say why a backup is not restored.
  archive_invalid: 422,
  archive_newer: 422,
  // Codes for failures of the platform itself.
  unavailable: 503,
  internal: 500,
} as const;

export type ErrorCode = keyof typeof errorStatus;

export interface PlatformErrorOptions {
  /** Lines that tell readers what they can do about the error, without a "hint:" in front. */
  readonly hints?: readonly string[];
  /** Lines with further facts (a list of files or imports), shown indented. */
  readonly details?: readonly string[];
  /** Seconds after which another try makes sense; for statuses 429 and 503. */
  readonly retryAfterSeconds?: number;
  /** Base URL of a node that serves the function; for `misdirected`. */
  readonly nodeUrl?: string;
  readonly cause?: unknown;
}

export class PlatformError extends Error {
  override readonly name = 'PlatformError';
  readonly code: ErrorCode;
  readonly status: number;
  readonly hints: readonly string[];
  readonly details: readonly string[];
  readonly retryAfterSeconds: number | undefined;
  readonly nodeUrl: string | undefined;

  constructor(code: ErrorCode, message: string, options: PlatformErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.status = errorStatus[code];
    this.hints = options.hints ?? [];
    this.details = options.details ?? [];
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.nodeUrl = options.nodeUrl;
  }
}

/** Body of an error answer, `application/problem+json` (RFC 9457). */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: ErrorCode;
  readonly detail: string;
  readonly hints?: readonly string[];
  readonly details?: readonly string[];
  /** Id of the request or of the invocation; the log lists the error under it. */
  readonly id?: string;
}

/**
 * Returns the problem document that outsiders may see of `error`. An error that is no PlatformError becomes `internal`.
 */
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

/** Returns the message of what was thrown, which may be anything. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
